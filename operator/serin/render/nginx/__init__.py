"""nginx.conf from a plan, by Jinja2: a document that says for each host, path and rule what was decided, and by whom.

Pure: values in, text out. It must not decide what a request gets, which the plan does, and no text of a user gets into
a file but through the one filter for its place (environment). In which order to read it: docs/architecture.md.
"""
