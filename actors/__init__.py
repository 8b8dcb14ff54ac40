"""Behaviour.

The actors, their mailboxes and supervision, and the ports through which they meet the outside.
"""
