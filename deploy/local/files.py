"""Small files of the stack's folder: secrets and what holds them are readable by their owner only."""
import os
import secrets


def write_private(path, text):
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def secret(path):
    """A random text of 64 hex digits, made on first use."""
    if not path.exists():
        write_private(path, secrets.token_hex(32))
    return path.read_text(encoding="utf-8")
