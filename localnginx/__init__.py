"""nginx with Lua, and the peers of bench/: found on this machine, or unpacked beside it without installing anything."""
