"""Signed documents in the forms that others read: DCAT-AP, CSV, ODRL, verifiable credentials, the Dataspace Protocol.

A view is made from a verified document and proves nothing by itself (but a credential, which is signed anew). It shows sizes in bands.
"""
