// One question of a kind at a time. While one is under way the latest other waits; what was asked before it is dropped, and so are
// answers to what nobody asks any more: an answer never stands beside another question.

// `ask` puts a question, `answered(answer, question)` and `failed(error, question)` tell of it.
export function latest(ask, answered, failed) {
  let waiting = null;
  let isUnderWay = false;

  async function run() {
    isUnderWay = true;
    while (waiting) {
      const { question } = waiting;
      const mine = waiting;
      let tell;
      try {
        const answer = await ask(question);
        tell = () => answered(answer, question);
      } catch (error) {
        tell = () => failed(error, question);
      }
      if (waiting === mine) {
        waiting = null;
        tell();
      }
    }
    isUnderWay = false;
  }

  return {
    put(question) {
      waiting = { question };
      if (!isUnderWay) run();
    },
    // What is under way is answered to nobody.
    drop() {
      waiting = null;
    },
  };
}
