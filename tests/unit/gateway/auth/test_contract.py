from __future__ import annotations

from keepline.gateway.auth.contract import IssuedToken, NobodyRevoked


def test_an_issued_token_does_not_show_itself() -> None:
    assert "s3cret" not in repr(IssuedToken("s3cret", 5.0))
    assert "s3cret" not in f"{IssuedToken('s3cret', None)}"


def test_without_a_ledger_nobody_is_revoked() -> None:
    assert not NobodyRevoked().is_revoked("device-1", None)
    assert not NobodyRevoked().is_revoked("device-1", 1.0)
