"""Who does what here: one package a role; no role imports another."""
