"""What happens in rollouts, told to where people look: a chat, or whatever takes CloudEvents.

Each transition once, by the replica that leads, after its status is written. It must not delay a rollout: what cannot
be delivered soon is said in the log and left.
"""
