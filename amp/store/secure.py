"""TLS to the store: whom it trusts, and what is wrong with a certificate, in words."""

import os
import ssl


class NotTrusted(OSError):
    """The store showed a certificate that is not trusted, so nothing was said to it."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(f"{why}: {fix}")
        self.why, self.fix = why, fix


def context() -> ssl.SSLContext:
    """Trusts the authorities of this machine, or only those in the file that SSL_CERT_FILE names.

    OpenSSL itself would look into the machine's folder of authorities, too.
    """
    return ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or None)


def explained(error: OSError) -> OSError:
    """The error itself, or what an operator can do about the certificate that it is about."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return error
    why = error.verify_message.rstrip(".")
    if "mismatch" in why:
        return NotTrusted(
            f"its certificate is another host's ({why})", "use a name that the certificate is made out to"
        )
    return NotTrusted(
        f"its certificate is not trusted here ({why})",
        "name the file of the authority that signed it in SSL_CERT_FILE",
    )
