#!/bin/sh
# Stands for your own check of the new host: 0 passed, 1 failed, 2 cannot tell.
exit 0
