"""A certificate authority for development, and the edge's certificate by it. The authority may speak for this machine
only (a name constraint), so that a browser which trusts it is not at the mercy of its key. Made by openssl; kept until
a month before they expire."""
import subprocess

from files import write_private
from process import StackError

AUTHORITY_DAYS, EDGE_DAYS, LEFT_SECONDS = 3650, 397, 30 * 86400

AUTHORITY = """\
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
O = Muster
CN = Muster development authority
[extensions]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
nameConstraints = critical, permitted;DNS:localhost, permitted;IP:127.0.0.0/255.0.0.0, permitted;IP:::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
"""
EDGE = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = localhost
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
"""
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        raise StackError(f"openssl {arguments[0]} failed:\n{done.stderr.strip()}")


def lasts(certificate):
    done = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-checkend", str(LEFT_SECONDS)],
                          capture_output=True, check=False)
    return done.returncode == 0


def make(folder):
    """Makes what is missing or expires soon. Returns the authority's certificate and the file for HAProxy."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca, ca_key, edge = folder / "ca.crt", folder / "ca.key", folder / "edge.pem"
    if not (ca_key.exists() and lasts(ca)):
        edge.unlink(missing_ok=True)
        config = _config(folder / "ca.conf", AUTHORITY)
        _private(ca_key)
        openssl("req", "-x509", "-config", config, *KEY, "-keyout", ca_key, "-out", ca, "-days", AUTHORITY_DAYS)
    if not lasts(edge):
        config, key, request, certificate = (folder / f"edge.{end}" for end in ("conf", "key", "csr", "crt"))
        _config(config, EDGE)
        _private(key)
        openssl("req", "-new", "-config", config, *KEY, "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", EDGE_DAYS,
                "-sha256", "-extfile", config, "-extensions", "extensions", "-out", certificate)
        write_private(edge, certificate.read_text(encoding="utf-8") + key.read_text(encoding="utf-8"))
        for leftover in (key, request):
            leftover.unlink()
    return ca, edge


def _config(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def _private(path):
    """openssl writes into the file that is there, with its mode."""
    write_private(path, "")
