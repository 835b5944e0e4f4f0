"""Trust: key rings, signatures and encryption. Pure: bytes in, bytes out; nothing here knows Redis."""
