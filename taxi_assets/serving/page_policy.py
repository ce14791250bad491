"""The Content-Security-Policy of the rider's and the operator's page: no other host, no inline code."""


def content_security_policy(images: str) -> str:
    """The value of the header.

    Args:
        images: The source of images, such as `'self'` or `data:`.
    """
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
