/** Short sounds without files. Browsers allow them after the first click. */

let audio = null;
let on = true;

export function mute(silent) { on = !silent; }

export function play(from, to, seconds, type = "triangle", volume = 0.08) {
  if (!on) return;
  try {
    audio ??= new AudioContext();
    const tone = audio.createOscillator(), gain = audio.createGain();
    tone.type = type;
    tone.frequency.setValueAtTime(from, audio.currentTime);
    tone.frequency.exponentialRampToValueAtTime(to, audio.currentTime + seconds);
    gain.gain.setValueAtTime(volume, audio.currentTime);
    gain.gain.exponentialRampToValueAtTime(0.0001, audio.currentTime + seconds);
    tone.connect(gain).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + seconds);
  } catch {
    on = false; // a browser without sound
  }
}
