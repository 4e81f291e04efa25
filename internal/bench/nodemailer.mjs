// The client that is not a program in Go: nodemailer, with its pool for messages
// over one connection. It reads a job and writes an outcome, as worker.go does.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';

const modules = process.env.MAILPORT_BENCH_MODULES;
const nodemailer = createRequire(modules + '/package.json')('nodemailer');
const { version } = JSON.parse(readFileSync(modules + '/node_modules/nodemailer/package.json', 'utf8'));

const job = JSON.parse(readFileSync(0, 'utf8'));
const target = job.Target;
const connections = target.Connections || 1;

function open(pool) {
  return nodemailer.createTransport({
    host: '127.0.0.1',
    port: target.Upgrade ? target.STARTTLS : target.Implicit,
    secure: !target.Upgrade,
    requireTLS: target.Upgrade,
    auth: { user: target.User, pass: target.Password },
    tls: { ca: target.CA },
    pool,
    maxConnections: connections,
    maxMessages: Infinity,
  });
}

const text = (serial) => job.Text.replace(/^#mail \d{10}/, '#mail ' + String(serial).padStart(10, '0'));

const message = (serial) => ({
  from: 'bench@example.com',
  to: 'someone@example.net',
  subject: 'One of many',
  text: text(serial),
});

async function send(transport, first, n) {
  let next = first;
  const one = async () => {
    while (next < first + n) {
      await transport.sendMail(message(next++));
    }
  };
  await Promise.all(Array.from({ length: Math.min(n, connections) }, one));
}

const clock = () => Number(process.hrtime.bigint()) / 1e9;

function cpu(since) {
  const used = process.cpuUsage(since);
  return (used.user + used.system) / 1e6;
}

function status(name) {
  const found = new RegExp(name + ':\\s+(\\d+) kB').exec(readFileSync('/proc/self/status', 'utf8'));
  return found ? Number(found[1]) * 1024 : 0;
}

const tasks = {
  async kept(outcome) {
    let began = clock();
    const transport = open(true);
    await send(transport, 0, job.Warm);
    const before = process.cpuUsage();
    if (!job.Whole) {
      began = clock();
    }
    await send(transport, job.Warm, job.Messages);
    outcome.Seconds = [clock() - began];
    outcome.CPU = cpu(before);
    transport.close();
  },

  async cold(outcome) {
    await fresh(outcome, 0);
  },

  async twice(outcome) {
    for (const serial of [0, 1]) {
      const patience = new Promise((_, reject) => {
        setTimeout(() => reject(new Error('hangs')), job.Patience * 1000).unref();
      });
      await Promise.race([fresh(outcome, serial), patience]);
    }
  },

  async large(outcome) {
    const block = Buffer.from(job.Block, 'base64');
    const content = Readable.from((function* () {
      for (let left = job.Content; left > 0; left -= block.length) {
        yield left < block.length ? block.subarray(0, left) : block;
      }
    })(), { objectMode: false });
    const transport = open(true);
    await transport.sendMail({ ...message(0), text: job.Warmer });
    globalThis.gc?.();
    writeFileSync('/proc/self/clear_refs', '5');
    const resident = status('VmRSS');
    const before = process.cpuUsage();
    const began = clock();
    await transport.sendMail({ ...message(job.Warm), attachments: [{ filename: 'large', content }] });
    outcome.Seconds = [clock() - began];
    outcome.CPU = cpu(before);
    outcome.Resident = Math.max(0, status('VmHWM') - resident);
    transport.close();
  },
};

async function fresh(outcome, serial) {
  const began = clock();
  const transport = open(false);
  try {
    await transport.sendMail(message(serial));
  } finally {
    (outcome.Seconds ??= []).push(clock() - began);
    transport.close();
  }
}

const outcome = { Error: '', Version: version + ', Node.js ' + process.version };
try {
  await tasks[job.Do](outcome);
} catch (err) {
  outcome.Error = err.message;
}
writeFileSync(1, JSON.stringify(outcome));
process.exit(0);
