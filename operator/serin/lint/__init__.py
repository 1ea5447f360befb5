"""What objects mean to whoever reads them: notes with an example request, pages of codes, the report for a move.

Looks at what compile made, and at nothing that runs; nothing of it is an Event or is said by the admission webhook.
"""
