"""kopf as a pipe: it lists and watches, and nothing else. The only room that imports kopf.

It runs in a thread with a loop of its own, because at its end it cancels every task of its loop, and a burst of events
would hold up whatever shares it (docs/adr/0008). It must not write to any object.
"""
