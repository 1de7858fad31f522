"""The hub's own Thespian system base: actors as processes on one host, over Unix-domain stream sockets."""
