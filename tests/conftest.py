"""How property-based tests run: no test of amin is about time."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "amin",
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("amin")
