"""The gateway: the one door for people.  It knows who asks, passes orders on, and answers."""
