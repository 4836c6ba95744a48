"""Campaigns: schedules that submit searches again and again, and what came of each time."""
