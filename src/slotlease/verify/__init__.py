"""The conformance client: it calls any booking server as Google does, and says what is wrong with its answers.

It knows Google's messages (`wire/proto`) and nothing else of ours: it must be able to judge a stranger.
"""
