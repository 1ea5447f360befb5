"""Annotations as data: one registry from which reading, the reference page, lint and explain all come.

A family's file holds its annotations and what they mean together. Adding one: an entry there, and a line where its
value goes into the plan. Nothing here knows routes or other Ingresses.
"""
