"""The C routine once more in plain Python: what is right, by reading. Tests hold the two together bit for bit.

Nothing here may use the C module; nothing outside tests, benches and the file writers needs it.
"""
