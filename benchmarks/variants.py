"""A_min with one of its ideas taken away, to see what that idea is worth."""

from dataclasses import replace

from amin.policy.amin import AMIN_DYNAMIC, AMIN_STATIC
from amin.policy.interface import fits_now

STATIC_NO_FORECAST = replace(AMIN_STATIC, name="amin-static-no-forecast", forecast=fits_now)
DYNAMIC_NO_FORECAST = replace(AMIN_DYNAMIC, name="amin-dynamic-no-forecast", forecast=fits_now)
