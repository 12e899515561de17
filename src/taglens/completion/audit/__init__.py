"""Checking filled cells by hand: what is drawn, what the answers say, and the files that keep both.

It must not know how answers are asked for, nor any model: a reply is the word yes, no or skip (can't tell).
"""
