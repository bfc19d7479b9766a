"""Plain FastAPI: a `def` route, which runs in the thread pool; no batching."""

import uvicorn
from fastapi import FastAPI

from peers.answers import Answer, Answerer, Question, port


def create_app() -> FastAPI:
    """One route."""
    app = FastAPI()
    answer = Answerer.load()

    @app.post("/predict")
    def predict(question: Question) -> Answer:
        return answer([question.text])[0]

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(), port=port(), access_log=False, log_level="warning")
