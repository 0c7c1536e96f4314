"""The shape of the memory index: its fields, and how their text is read."""

from typing import Any

MODEL = "e5-small"
DIMENSIONS = 384  # of its vectors
ALIAS = "memories"
VERSION = 3  # one more with each change of ANALYSIS, SIMILARITY or MAPPING
QUESTION_WORDS = (
    "what when who where which how why did does do has have had i you he she his her him its"
    " were been would could should can from about so than"
).split()

_SEARCHED = {
    "type": "text",
    "analyzer": "english",
    "search_analyzer": "english_question",
    "similarity": "short_texts",
}

ANALYSIS = {
    "filter": {
        "question_words": {"type": "stop", "stopwords": QUESTION_WORDS},
        "english_possessive": {"type": "stemmer", "language": "possessive_english"},
        "english_stop": {"type": "stop", "stopwords": "_english_"},
        "english_stemmer": {"type": "stemmer", "language": "english"},
    },
    "analyzer": {
        "english_question": {
            "tokenizer": "standard",
            "filter": [
                "english_possessive",
                "lowercase",
                "question_words",
                "english_stop",
                "english_stemmer",
            ],
        }
    },
}

# Memories are short and much alike in length: repeats and length count for less than in
# Lucene's defaults of 1.2 and .75.
SIMILARITY = {"short_texts": {"type": "BM25", "k1": 0.9, "b": 0.4}}

MAPPING: dict[str, Any] = {
    "dynamic": "strict",
    "_routing": {"required": True},
    "properties": {
        "id": {"type": "keyword"},
        "tenant": {"type": "keyword"},
        "namespace": {"type": "keyword"},
        "session_id": {"type": "keyword"},
        "content": {"type": "keyword", "index": False, "doc_values": False},
        "preceding": {"type": "keyword", "index": False, "doc_values": False},
        "text": _SEARCHED,
        "context": _SEARCHED,
        "memory_type": {"type": "keyword"},
        "importance": {"type": "double"},
        "tags": {"type": "keyword"},
        "metadata": {"type": "keyword", "index": False, "doc_values": False},
        "metadata_terms": {"type": "keyword"},
        "event_time": {"type": "long"},
        "created_at": {"type": "long"},
        "updated_at": {"type": "long"},
        "sequence": {"type": "long"},
        "expires_at": {"type": "long"},
        "subject": {"type": "keyword"},
        "valid_until": {"type": "long"},
        "superseded_by": {"type": "keyword"},
        "covered_by": {"type": "keyword"},
        "written_at": {"type": "long", "index": False, "doc_values": False},
        "superseded_kind": {"type": "keyword"},
        "superseded_at": {"type": "long"},
        "feedback": {
            "properties": {
                "upvotes": {"type": "integer"},
                "downvotes": {"type": "integer"},
                "flags": {"type": "integer"},
                "flagged": {"type": "boolean"},
                "entries": {"type": "object", "enabled": False},
            }
        },
        "vector": {
            "type": "knn_vector",
            "dimension": DIMENSIONS,
            "method": {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"},
        },
    },
}


def index_name(generation: int) -> str:
    """Of the mapping's present version; `generation` counts the indexes that held the memories."""
    return f"{ALIAS}-v{VERSION}-{generation:06d}"


def definition(*, shards: int, replicas: int) -> dict[str, Any]:
    """What a new index is created with, but for its aliases."""
    return {
        "settings": {
            "analysis": ANALYSIS,
            "similarity": SIMILARITY,
            "index": {
                "knn": True,
                "number_of_shards": shards,
                "number_of_replicas": replicas,
            },
        },
        "mappings": MAPPING,
    }
