/**
 * Views as text, for transcripts: `"a* b2 | c !d ?e"` has members a (the primary) and the second incarnation of b, the
 * further acceptor c, d barred and e invited.
 * @module
 */
import { type Member, type NodeId, sortById, type View } from "../../src/protocol/view.ts";

/** `"b2"`: the second incarnation of b; `"b"`: its first. */
export function member(word: string): Member {
  const id = word.charAt(0);
  return { id, incarnation: word.length > 1 ? word : `${id}1`, url: `memory://${id}` };
}

export function members(text: string): Member[] {
  return words(text).map(member);
}

export function viewOf(text: string, vid = 7): View {
  const [before = "", after = ""] = text.split("|");
  const belonging = words(before);
  const further = words(after);
  const marked = (mark: string): NodeId[] => further.filter((word) => word[0] === mark).map((word) => word.slice(1));
  const primary = belonging.find((word) => word.endsWith("*"))?.charAt(0);
  if (primary === undefined) throw new Error(`no primary in "${text}"`);
  const list = belonging.map((word) => member(word.replace("*", "")));
  const idle = further.filter((word) => /^[a-z]/.test(word)).map(member);
  return {
    vid,
    members: sortById(list),
    acceptors: sortById([...list, ...idle]),
    barred: marked("!"),
    invited: marked("?").map((id) => ({ id, url: `memory://${id}` })),
    primary,
  };
}

/** The other way; acceptors that stand for another incarnation of a member show up behind the bar. */
export function textOf(view: View | undefined): string {
  if (view === undefined) return "none";
  const list = view.members.map((one) => short(one) + (one.id === view.primary ? "*" : ""));
  const further = [
    ...view.acceptors.filter((one) => !view.members.some((other) => short(other) === short(one))).map(short),
    ...view.barred.map((id) => `!${id}`),
    ...view.invited.map(({ id }) => `?${id}`),
  ];
  return further.length === 0 ? list.join(" ") : `${list.join(" ")} | ${further.join(" ")}`;
}

function short({ id, incarnation }: Member): string {
  return incarnation === `${id}1` ? id : incarnation;
}

function words(text: string): string[] {
  return text.split(" ").filter((word) => word !== "");
}
