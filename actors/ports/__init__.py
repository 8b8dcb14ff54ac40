"""How actors meet the outside: the journal, and the three kinds of partner, each by a module's name.

Adapters implement these protocols. Every method of a partner's raises only the errors of `actors.errors`.
Time bounds are the caller's cancel scopes. Sizes of what is read are bounded by the adapters.
"""
