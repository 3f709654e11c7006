"""Judges an S3 server, and reads what a store has written there, with boto3.

    judge.py conditions ENDPOINT BUCKET PREFIX    whether writes are conditional as documented
    judge.py contents ENDPOINT BUCKET PREFIX      all objects below the prefix, as JSON: key to text

The keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

WRITERS = 8
ROUNDS = 10
# A listing of more than one page is read too.
PAGE = 3


def connect(endpoint):
    # A request that was sent again could find what it has written itself.
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, max_pool_connections=WRITERS)
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config)


def status(call, **arguments):
    """The HTTP status of a call."""
    try:
        return call(**arguments)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]


def expect(what, found, wanted):
    if found not in wanted:
        sys.exit(f"{what}: {found}, and not {' or '.join(map(str, wanted))}")


def conditions(s3, bucket, prefix):
    def put(key, body, **more):
        return status(s3.put_object, Bucket=bucket, Key=f"{prefix}/{key}", Body=body, **more)

    def get(key):
        return s3.get_object(Bucket=bucket, Key=f"{prefix}/{key}")

    # Create, and only create (RFC 9110 §13.1.2).
    expect("the first object", put("one", b"first", IfNoneMatch="*"), [200])
    expect("a second one", put("one", b"second", IfNoneMatch="*"), [412])
    found = get("one")
    expect("the object", found["Body"].read(), [b"first"])

    # Of several writers at once, one creates the object, and it has what that one has written.
    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(ROUNDS):
            key = f"race-{number}"
            codes = list(pool.map(lambda writer: put(key, b"%d" % writer, IfNoneMatch="*"), range(WRITERS)))
            expect(f"the winners of race {number}", codes.count(200), [1])
            for code in set(codes) - {200}:
                expect("a loser", code, [409, 412])
            expect("the object", get(key)["Body"].read(), [b"%d" % codes.index(200)])

    # Replace what was read, and nothing else (RFC 9110 §13.1.1). Ceph compares the tag without the quotes
    # that belong to it, so it refuses what it should take: it is asked in both forms, and has to take one.
    # It must never replace anything else. The store does not use this condition.
    forms = {"as it was given": found["ETag"], "without quotes": found["ETag"].strip('"')}
    taken = next((form for form, tag in forms.items() if put("one", b"third", IfMatch=tag) == 200), None)
    expect("whether a replacement is made", taken is not None, [True])
    for tag in forms.values():
        expect("a replacement of what is gone", put("one", b"fourth", IfMatch=tag), [412])
        expect("a replacement of nothing", put("none", b"fifth", IfMatch=tag), [404, 412])
    expect("the object", get("one")["Body"].read(), [b"third"])
    print(f"the conditions hold; If-Match takes a tag {taken}")


def contents(s3, bucket, prefix):
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=f"{prefix}/", PaginationConfig={"PageSize": PAGE}
    )
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    read = lambda key: s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    json.dump({key: read(key) for key in keys}, sys.stdout)


if __name__ == "__main__":
    command, endpoint, bucket, prefix = sys.argv[1:]
    {"conditions": conditions, "contents": contents}[command](connect(endpoint), bucket, prefix)
