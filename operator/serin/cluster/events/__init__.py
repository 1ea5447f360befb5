"""Events: what `kubectl describe` shows under an object. The leader alone writes them.

What is wrong is told on the object itself and on the Ingresses that have to do with it, once, counted on while it lasts
or returns, and never faster than the API server should be asked to.
"""

from serin.cluster.events.recorder import EventRecorder

__all__ = ["EventRecorder"]
