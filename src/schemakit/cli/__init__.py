"""The command line. Needs the extra ``cli`` (click and rich), which nothing else imports.

A verb is one function in `verbs`; `program` lists them.
"""
