"""The C routine's only user: shared memory, decisions, patterns; and a pure Python twin that says what is right.

Nothing here knows of Ingresses or HTTP. Nothing above may import `serin.native._ffi`.
"""
