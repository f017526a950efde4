"""How stages wait: for the fence, and between tries."""
