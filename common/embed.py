#!/usr/bin/python3
"""Writes a C file with a table of embedded files (common/embed.h).

usage: embed.py OUT.c TABLE NAME=PATH...

NAME is how the program calls the file, PATH where it is now. The bytes are pulled in by the assembler's .incbin, which
is fast for large files; compressed forms are written beside OUT.c.
"""
import gzip
import hashlib
import os
import sys


def main():
    out, table, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    code = ['#include "embed.h"\n']
    rows = []
    for i, item in enumerate(files):
        name, path = item.split("=", 1)
        with open(path, "rb") as file:
            data = file.read()
        parts = [(f"{table}_{i}", os.path.abspath(path), len(data))]
        packed = gzip.compress(data, 9, mtime=0)
        if len(packed) < len(data):
            packed_path = os.path.abspath(f"{out}.{i}.gz")
            with open(packed_path, "wb") as file:
                file.write(packed)
            parts.append((f"{table}_{i}_gz", packed_path, len(packed)))
        for symbol, source, _ in parts:
            code.append(
                f'__asm__(".section .rodata\\n.balign 16\\n{symbol}:\\n.incbin \\"{source}\\"\\n.byte 0\\n.previous\\n");\n'
                f"extern const unsigned char {symbol}[];\n"
            )
        etag = hashlib.sha256(data).hexdigest()[:16]
        packed_cells = f"{parts[1][0]}, {parts[1][2]}" if len(parts) > 1 else "NULL, 0"
        rows.append(f'  {{"{name}", {parts[0][0]}, {parts[0][2]}, {packed_cells}, "\\"{etag}\\""}},\n')
    code.append(f"extern const struct embedded {table}[];\nconst struct embedded {table}[] = {{\n")
    code.extend(rows)
    code.append("  {NULL, NULL, 0, NULL, 0, NULL},\n};\n")
    with open(out, "w", encoding="utf-8") as file:
        file.write("".join(code))


main()
