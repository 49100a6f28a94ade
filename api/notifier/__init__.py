"""Delivers the outbox of notifications through channels (`python -m api.notifier`).

It lives beside the API because both send: the API the test of a channel, the notifier all else.
"""
