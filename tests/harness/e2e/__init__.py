"""What tests of tests/e2e share: Serin on a cluster with two nodes, requests from inside a node, the report.

Nothing here asserts anything about Serin: that is the tests' business.
"""
