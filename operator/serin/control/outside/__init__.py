"""Checks of a rollout that others answer: a Prometheus server, a webhook.

Whoever may write a CanaryRoute says where to ask, with the controller's network and a Secret of the namespace: only
hosts that the controller's owner named are asked, addresses are looked at after they are resolved, no redirect is
followed, and little is read of an answer. It must not judge: how many failures are too many is the rollout's business.
"""
