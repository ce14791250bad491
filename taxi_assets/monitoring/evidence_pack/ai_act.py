"""The table of articles of the EU AI Act, and the files and tables that would answer them."""

from taxi_assets.monitoring.evidence_pack.documents import Document, Section, Table

_STATUS = (
    "A model of taxi durations is no high-risk system under Article 6 of Regulation (EU) 2024/1689. It is in no area "
    "of Annex III, and no safety component of a product of Annex I, so the articles below do not bind it. That changes "
    "if it is used to allocate work to drivers or to assess them (Annex III, point 4).",
    "The pack follows them voluntarily, so that the practice is visible. It is neither legal advice nor a declaration "
    "of conformity.",
)

# Article, what it asks of a high-risk system, where this platform has it, what is missing.
_ARTICLES = (
    (
        "Article 9: risk management",
        "Identify and reduce risks, test against thresholds defined before",
        "comparison.json: thresholds, guarded slices; decision.json: reasons; model_card.md: limits",
        "No list of risks to people's rights",
    ),
    (
        "Article 10: data and data governance",
        "Training and test data with their origin, preparation and checks; examine biases",
        "data_files.csv: files, SHA-256, checks, Data Docs; model_card.md: errors by borough and time of day",
        "No data on people, so no test of bias between groups",
    ),
    (
        "Article 11 and Annex IV: technical documentation",
        "Purpose, design, data, metrics, components of third parties, kept up to date",
        "The whole pack: model_card.md, comparison.json, data_files.csv, sbom.cdx.json",
        "No instructions for a specific operator",
    ),
    (
        "Article 12: record-keeping",
        "Record events automatically over the system's lifetime",
        "decision.json: who, when, which runs; the tables promotions and predictions; taxi trace for each answer",
        "Records are kept as long as the settings say, not for a legal period",
    ),
    (
        "Article 13: transparency",
        "Tell the user the purpose, accuracy, limits and how to read the output",
        "model_card.md; GET /model of the endpoint; an interval with every prediction",
        "No text for riders",
    ),
    (
        "Article 14: human oversight",
        "A person can understand, decide, override and stop",
        "decision.json: the approval record, if there is one; taxi rollback restores the routing before",
        "Oversight of a single prediction is left to the client",
    ),
    (
        "Article 15: accuracy, robustness, cybersecurity",
        "Declare accuracy; resist errors, faults and attacks",
        "model_card.md: errors, intervals, noise floor; sbom.cdx.json: packages, and the SHA-256 of the model",
        "No test against adversarial inputs",
    ),
    (
        "Article 17: quality management",
        "Written procedures for design, data, tests and changes",
        "The repository: docs/decisions, CONTRIBUTING.md, tests; the checks of each month",
        "No responsible person is named",
    ),
    (
        "Article 72: monitoring after release",
        "Collect and analyse performance in use, and act on it",
        "The tables drift_reports, daily_serving_summaries and variant_comparisons",
        "No report of incidents to an authority",
    ),
)


def ai_act_table() -> Document:
    """The mapping from articles to the pack, with what is missing."""
    header = ("Article", "Asks for", "Here", "Not here")
    return Document(
        "The evidence by article of the EU AI Act", _STATUS, (Section("Articles", table=Table(header, _ARTICLES)),)
    )
