"""Read-only views of Kubernetes objects, and the store that holds them.

A view keeps only the fields that Serin reads, already checked for type, so that nothing later has to doubt them.
Parsing is total: any object whatever gives a view or problems, never an exception. No I/O here.
"""
