PARCELS_URL = os.environ.get("PARCELS_URL", "https://parcels.example/v2")
PARCELS_TOKEN = os.environ.get("PARCELS_TOKEN", "change-me")
