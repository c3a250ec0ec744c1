"""A benchmark of quality: does keybound find every planted token, nothing else, and judge each one rightly?

Run it with `python3 benches/quality`, or `python3 -m benches.quality` from the root of the repository.

    mint.py      makes synthetic tokens, each with the judgement it must get
    issuers.py   the tokens of particular issuers: JWT profiles and prefixed families
    saml.py      SAML assertions, the messages they travel in, and what is like them and none
    carriers.py  the logs, sources and messages that the tokens are planted in
    archives.py  logs with tokens in every archive format, one in the other
    decoys.py    what looks like a token and is none
    planting.py  writes the files and remembers what stands where
    scoring.py   compares the scanner's records with what was planted
    __main__.py  the command line, the tables and the verdict

Everything is made up: random bodies, issuers under example.com, checksums where a family has one. The same seed gives
the same files. Prefixes are put together from pieces, so that no scanner trips over these sources.
"""
