'use strict';
// The buttons: each asks first, then sends one POST, and says what came of it.

const actions = {
  'flush': {
    title: 'Flush now?', go: 'Flush', path: '/flush',
    text: 'All rows that wait go into MySQL now, whatever the triggers say. MySQL gets the load at once.',
    done: 'The drain has been asked for.',
  },
  'pause-intake': {
    title: 'Pause the intake?', go: 'Pause intake', path: '/pause?what=intake',
    text: 'This proxy refuses every purchase with BUSY until somebody resumes it or it restarts. Orders that are accepted already are kept.',
    done: 'The intake is paused.',
  },
  'resume-intake': {
    title: 'Resume the intake?', go: 'Resume intake', path: '/resume?what=intake',
    text: 'This proxy takes purchases again.',
    done: 'The intake is open.',
  },
  'pause-drain': {
    title: 'Pause the drain?', go: 'Pause drain', path: '/pause?what=flush',
    text: 'Nothing goes into MySQL until somebody resumes it, also over restarts. Purchases go on; the journal grows.',
    done: 'The drain is paused.',
  },
  'resume-drain': {
    title: 'Resume the drain?', go: 'Resume drain', path: '/resume?what=flush',
    text: 'Rows go into MySQL again when a trigger fires.',
    done: 'The drain is resumed.',
  },
  'retry': {
    title: 'Retry what MySQL refused?', go: 'Retry all', path: '/dlq/retry',
    text: 'Each dead letter is tried once more. One that is refused again stays.',
    done: 'All dead letters were tried once more.',
  },
};

const dialog = document.getElementById('confirm');
let chosen = null;

function ask(name) {
  chosen = actions[name];
  document.getElementById('confirm-title').textContent = chosen.title;
  document.getElementById('confirm-text').textContent = chosen.text;
  document.getElementById('confirm-error').textContent = '';
  document.getElementById('go').textContent = chosen.go;
  document.getElementById('token').value = sessionStorage.getItem('token') || '';
  dialog.showModal();
  document.getElementById('go').focus();
}

async function send() {
  const token = document.getElementById('token').value.trim();
  const error = document.getElementById('confirm-error');
  const go = document.getElementById('go');
  if (token) sessionStorage.setItem('token', token); else sessionStorage.removeItem('token');
  go.disabled = true;
  try {
    const answer = await fetch(chosen.path, {
      method: 'POST', headers: token ? {Authorization: 'Bearer ' + token} : {},
    });
    if (answer.ok) {
      dialog.close();
      document.getElementById('announce').textContent = chosen.done;
    } else {
      const body = await answer.json().catch(() => ({}));
      error.textContent = body.error || 'The proxy answered ' + answer.status + '.';
    }
  } catch {
    error.textContent = 'The proxy does not answer.';
  }
  go.disabled = false;
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-action]');
  if (button) ask(button.dataset.action);
});
document.getElementById('cancel').addEventListener('click', () => dialog.close());
document.getElementById('go').addEventListener('click', send);
document.getElementById('token').addEventListener('keydown', (event) => {
  if (event.key === 'Enter') send();
});
