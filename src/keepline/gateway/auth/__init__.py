"""Who may come in: everything that is judged before the upgrade, and what ends it later."""

from keepline.gateway.auth.contract import Authenticator as Authenticator
from keepline.gateway.auth.contract import IssuedToken as IssuedToken
from keepline.gateway.auth.contract import NobodyRevoked as NobodyRevoked
from keepline.gateway.auth.contract import Revocations as Revocations
from keepline.gateway.auth.contract import TokenIssuer as TokenIssuer
from keepline.gateway.auth.making import make_authenticator as make_authenticator
from keepline.gateway.auth.making import make_issuer as make_issuer
from keepline.gateway.auth.static import OpenDoor as OpenDoor
from keepline.gateway.auth.static import StaticToken as StaticToken
