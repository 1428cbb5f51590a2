"""The PBX: hang up and transfer the phone call itself."""
