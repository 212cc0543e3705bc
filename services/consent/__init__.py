"""Grants, withdrawals, requests and who saw what: the worker decides here."""
