// Cloudflare's own SDK against the fake: node sdk.cjs URL ZONE, with the token in CLOUDFLARE_API_TOKEN.
const assert = require("node:assert/strict");
const { default: Cloudflare } = require("cloudflare");

const [, , baseURL, name] = process.argv;
const client = new Cloudflare({ baseURL, maxRetries: 0 });

async function all(pages) {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
}

async function refused(promise, status, code) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.status, status);
    const codes = (errors) => (errors ?? []).flatMap((e) => [e.code, ...codes(e.error_chain)]);
    assert.ok(codes(error.errors).includes(code), JSON.stringify(error.errors));
    return true;
  });
}

(async () => {
  const [zone, ...others] = await all(client.zones.list({ name }));
  assert.equal(others.length, 0);
  assert.equal(zone.name, name);
  assert.equal((await client.zones.get({ zone_id: zone.id })).status, "active");
  const records = client.dns.records;
  const zone_id = zone.id;
  const before = await all(records.list({ zone_id, per_page: 3 }));

  // A long TXT is echoed whole, and listed in parts.
  const long = `"${"x".repeat(300)}"`;
  const txt = { zone_id, type: "TXT", name: `sdk.${name}`, content: long, ttl: 300, comment: "by the SDK" };
  const made = await records.create(txt);
  assert.equal(made.content, long);
  const [listed] = await all(records.list({ zone_id, name: { exact: `sdk.${name}` } }));
  assert.equal(listed.content, `"${"x".repeat(255)}" "${"x".repeat(45)}"`);
  assert.equal(listed.comment, "by the SDK");
  await refused(records.create(txt), 400, 81058);
  await refused(records.create({ ...txt, content: '"y"', ttl: 7 }), 400, 9021);
  await refused(records.create({ zone_id, type: "A", name: `a.${name}`, content: "1.2.3", ttl: 1 }), 400, 9005);

  const edited = await records.edit(made.id, { zone_id, ttl: 600 });
  assert.equal(edited.ttl, 600);
  assert.equal(edited.comment, "by the SDK");
  const srv = { type: "SRV", name: `_imaps._tcp.${name}`, ttl: 1, data: { priority: 1, weight: 2, port: 993, target: "mx.example" } };
  const batch = await records.batch({
    zone_id,
    deletes: [{ id: made.id }],
    posts: [
      { type: "MX", name: `sdk.${name}`, content: "mx.example", priority: 10, ttl: 60 },
      { type: "CAA", name: `sdk.${name}`, ttl: 60, data: { flags: 0, tag: "issue", value: "ca.example" } },
      srv,
    ],
  });
  assert.equal(batch.deletes.length, 1);
  assert.deepEqual(batch.posts.map((one) => one.type), ["MX", "CAA", "SRV"]);
  // All or nothing: what is deleted first is there again.
  const [mx] = batch.posts;
  await refused(records.batch({ zone_id, deletes: [{ id: mx.id }], posts: [srv] }), 400, 81058);
  assert.equal((await records.get(mx.id, { zone_id })).priority, 10);
  await refused(records.get("0".repeat(32), { zone_id }), 404, 81044);
  for (const one of batch.posts) await records.delete(one.id, { zone_id });
  assert.deepEqual(await all(records.list({ zone_id, per_page: 3 })), before);

  const stranger = new Cloudflare({ baseURL, maxRetries: 0, apiToken: "nobody" });
  await refused(all(stranger.zones.list()), 400, 6003);
  console.log(`${before.length} records, as they were`);
})();
