"""What can go wrong between Parley, an IM cloud and a model.

BotError                      nobody raises the base
├── CallbackError
│   ├── CallbackRejected      signature, time or app is wrong     → 403, nothing stored
│   └── CallbackMalformed     not a body this vendor sends        → 400, nothing stored
├── VendorError               vendor, code, permanent, retry_after
│   ├── VendorUnreachable     no answer, or none that makes sense → retry
│   ├── VendorBusy            told to slow down                   → retry after
│   ├── VendorRefused         said no                             → give up, tell a person
│   │   ├── MessageGone       has no such message (any more)     → look it up, or send a new one
│   │   ├── MessageEnded      takes nothing more for this message → go on in a new one
│   │   └── EditingUnavailable  the account may not edit, or not here  → send whole messages
│   └── Unsupported           cannot be said through this API
└── ModelError                model, code, permanent, retry_after
    ├── ModelUnreachable      no connection, or it broke          → another model, or later
    ├── ModelBusy             rate limit or overload              → another model, or later
    ├── ModelRefused          parameters, length, content         → another model
    │   └── ModelDenied       key, balance, model name            → another model, until a person mends it
    ├── ModelTooSlow          a deadline passed                   → another model
    ├── ModelSilent           the answer was empty                → another model
    └── ModelCancelled        we hung up
"""

from __future__ import annotations

from typing import ClassVar

from bots.events import Address


class BotError(Exception):
    """Something between Parley, an IM cloud and a model went wrong."""


class CallbackError(BotError):
    """A callback was not accepted."""


class CallbackRejected(CallbackError):
    """The callback's signature, time or app is wrong."""


class CallbackMalformed(CallbackError):
    """The callback's body is not one that this vendor sends."""


class RemoteError(BotError):
    """Another service did not do what it was asked.  The error knows; the caller decides."""

    permanent: ClassVar[bool] = False  # True: the same request would fail again

    def __init__(
        self, detail: str = "", *, party: str = "", code: str = "", retry_after: float | None = None
    ) -> None:
        self.party = party  # name of the vendor or slug of the model
        self.code = code  # the other side's own code, as text; "" where it gave none
        self.retry_after = retry_after  # seconds it asked us to wait
        self.detail = detail or (type(self).__doc__ or "").strip()
        super().__init__(self.detail)

    def __str__(self) -> str:
        origin = " ".join(part for part in (self.party, self.code) if part)
        return f"{origin}: {self.detail}" if origin else self.detail


class VendorError(RemoteError):
    """An IM cloud did not do what it was asked."""


class VendorUnreachable(VendorError):
    """The IM cloud gave no answer, or none that makes sense; it may have acted all the same."""


class VendorBusy(VendorError):
    """The IM cloud told us to slow down."""


class VendorRefused(VendorError):
    """The IM cloud said no."""

    permanent = True


class MessageGone(VendorRefused):
    """The IM cloud has no such message, or has it no longer."""


class MessageEnded(VendorRefused):
    """The IM cloud has ended a growing message: what it took stays, and nothing can be added."""


class EditingUnavailable(VendorRefused):
    """The IM cloud lets this account edit no message at all, or none in this group."""

    def __init__(
        self,
        detail: str = "",
        *,
        party: str = "",
        code: str = "",
        retry_after: float | None = None,
        place: Address | None = None,
    ) -> None:
        super().__init__(detail, party=party, code=code, retry_after=retry_after)
        self.place = place  # the group; None: everywhere


class Unsupported(VendorError):
    """This cannot be said through the vendor's API."""

    permanent = True


class ModelError(RemoteError):
    """A language model gave no usable answer."""


class ModelUnreachable(ModelError):
    """The model could not be reached, or its stream broke."""


class ModelBusy(ModelError):
    """The model is overloaded or told us to slow down."""


class ModelRefused(ModelError):
    """The model refused the request."""

    permanent = True


class ModelDenied(ModelRefused):
    """The model refuses whatever it is asked: the key, the balance or the model's name is wrong."""


class ModelTooSlow(ModelError):
    """The model missed a deadline."""


class ModelSilent(ModelError):
    """The model's answer was empty."""


class ModelCancelled(ModelError):
    """The stream was ended by us."""

    permanent = True
