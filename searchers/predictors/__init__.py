"""Predictors: what a number is likely to be, learned from the architectures that were measured.

A predictor maps feature vectors to a mean and a deviation. It knows neither spaces nor metrics;
what is fitted for each metric, and on which scale, is the business of `searchers.metric_models`.
"""
