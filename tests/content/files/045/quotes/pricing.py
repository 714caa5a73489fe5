from decimal import Decimal


def premium(quote):
    return Decimal(100) * len(quote["vehicles"])
