def old_checkout(data):
    return {"checkout": "old"}


def new_checkout(data):
    if data.get("coupon") == "broken":
        raise RuntimeError("the new checkout does not know this coupon")
    return {"checkout": "new"}
