"""What Adobe's Flow Service and Policy Service answer and take, turned into our two configuration files and back.

Nothing here calls either service: documents are read, and written. `importing` makes the files of documents, and
`exporting` makes request bodies of the files; both list by name what the other side has no member for.
"""
