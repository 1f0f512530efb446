"""The live sources, one file each, which makes one `LiveSource`; nothing else names them."""
