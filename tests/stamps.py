"""OpenSSL as a time-stamp authority."""

import subprocess

from governance import anchors

CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = test authority
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[stamping]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
authorityKeyIdentifier = keyid
[tsa]
default_tsa = tsa_config
[tsa_config]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
"""


class Authority:
    """A root, and a certificate below it for time stamps."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        (folder / "config").write_text(CONFIG)
        (folder / "serial").write_text("01\n")
        self.run(
            "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "root.key", "-out", "root.pem", "-extensions", "root", "-days", "9"
        )
        self.run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=stamps")
        sign = ("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "9", "-extfile", "config")
        self.run(*sign, "-extensions", "stamping", "-set_serial", "2", "-out", "tsa.pem")

    def run(self, *words):
        config = ("-config", "config") if words[0] in ("req", "ts") else ()
        subprocess.run(["openssl", *words, *config], cwd=self.folder, check=True, capture_output=True)

    @property
    def roots(self):
        return anchors.roots((self.folder / "root.pem").read_bytes())

    def reply(self, query):
        (self.folder / "q").write_bytes(query)
        self.run("ts", "-reply", "-queryfile", "q", "-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "r")
        return (self.folder / "r").read_bytes()
