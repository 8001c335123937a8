/** Words of the synthetic corpus, common ones first. */

export interface Language {
  /** Share of conversations, before they are scaled to 1. */
  readonly weight: number;
  readonly words: readonly string[];
  /** About how many tokens a word takes, between the vocabularies of Llama 3 and SmolLM2. */
  readonly tokensPerWord: number;
  /** What stands between words, after a clause, and at the ends of sentences. */
  readonly space: string;
  readonly comma: string;
  readonly stops: readonly string[];
}

const split = (text: string): readonly string[] => text.trim().split(/\s+/);
const latin = { space: " ", comma: ", ", stops: [".", ".", ".", "?", "!"] };

const english: Language = {
  ...latin,
  weight: 70,
  tokensPerWord: 1.25,
  words: split(`
    the of and to a in is that for it you with on as are be this have from or can by not your at we
    an was they which will their if what would about more when all has there how one been out may
    some these also them other time use than its into only new two make like could first should
    people work data model example write explain using each between different system need value
    way used however best want number code list good because text help many following provide
    information user most important through process where function business question word
    include such page company create language line name result over even market change file after
    both any find learning possible order product team customer research long content service
    water city story between design high small must type test input world history computer energy
    before under general simple every while own method part specific support start power health
    human second program website consider science reason table character further environment
    experience several strategy increase music teacher journey morning century government economy
    mountain river engineer analysis quarterly algorithm temperature negotiation architecture
    photosynthesis entrepreneurship misunderstanding thermodynamics bioinformatics`),
};

const code: Language = {
  space: " ",
  comma: ";\n  ",
  stops: [";\n}\n", ";\n", " {\n  ", "\n", ");\n"],
  weight: 12,
  tokensPerWord: 1.6,
  words: split(`
    = return const if ( ) { } self. def import let => 0 1 == i value items.map( x data[i] for in
    None null true this.state => len( print( function async await result += 1 response.json()
    "name": "id": None: elif class Node: list.append( node.next HashMap<String, Vec<u8>> int main(void)
    std::vector<int> SELECT * FROM users WHERE id IN console.log( useState( <div className="row">
    try: except ValueError: np.zeros((3, 4)) df.groupby("key").mean() #include <stdio.h> git commit -m
    O(n log n) 0x1F 3.14159 https://example.com/api/v1?page=2 @property lambda public static void`),
};

const otherLanguages: readonly Language[] = [
  {
    ...latin,
    weight: 4,
    tokensPerWord: 1.7,
    words: split(`
      de la que el en y a los se del las un por con no una su para es al lo como más pero sus le ya o
      este sí porque esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos
      durante todos uno les ni contra otros ese eso ante ellos información niño corazón pingüino`),
  },
  {
    ...latin,
    weight: 3,
    tokensPerWord: 1.8,
    words: split(`
      der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an
      werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über so zum können
      Größe Geschwindigkeitsbegrenzung Straße Übung schließlich Wissenschaft Bundesverfassungsgericht`),
  },
  {
    ...latin,
    weight: 3,
    tokensPerWord: 3,
    words: split(`
      и в не на я быть он с что а по это она этот к но они мы весь который из у то за свой так
      от себя для же год время рука человек новый первый потому система программа вопрос данные
      исследование правительство достопримечательность`),
  },
  {
    weight: 4,
    tokensPerWord: 2.2,
    space: "",
    comma: ",",
    stops: ["。", "。", "?", "!"],
    words: split(`
      的 是 在 我们 一个 可以 这个 有 和 不 了 人 中国 使用 问题 如果 数据 模型 时间 公司 需要 为什么 学习
      请 写 文章 关于 市场 技术 发展 历史 城市 语言 程序 函数 用户 分析 报告 设计 環境 經濟`),
  },
  {
    weight: 2,
    tokensPerWord: 2.2,
    space: "",
    comma: "、",
    stops: ["。", "。", "か?", "!"],
    words: split(`
      の は を に です ます こと が する から これ ある ください 私 日本 について ために コード データ
      プログラム 説明 して 方法 時間 問題 言葉 作成 ユーザー サーバー 東京 歴史 それでは ありがとう`),
  },
  {
    ...latin,
    comma: "، ",
    stops: [".", "؟", "!"],
    weight: 1,
    tokensPerWord: 3.5,
    words: split(`
      في من على أن إلى هذا التي ما لا عن كان مع هو هي كل بعد قبل بين أو حيث يمكن كيف لماذا اللغة
      البيانات العالم الوقت المدينة التاريخ معلومات البرنامج`),
  },
  {
    ...latin,
    weight: 1,
    tokensPerWord: 4,
    words: split(`
      के में है की और से को का एक यह पर नहीं कि हैं भी इस हो तो कर लिए समय भारत जानकारी प्रश्न 한국어 데이터
      그리고 하는 수 있는 것 ภาษา ไทย שלום עולם Ελλάδα και`),
  },
];

export const languages: readonly Language[] = [english, code, ...otherLanguages];

export const openings: readonly string[] = [
  "Write",
  "Explain",
  "How do I",
  "What is",
  "Can you",
  "Please",
  "Summarize:",
  "Translate:",
  "Act as",
  "Give me",
  "Fix this:",
  "Why does",
  "Compare",
  "Hi,",
  "Continue",
  "I want you to",
  "Tell me about",
];

export const emoji: readonly string[] = ["😀", "🚀", "👍🏽", "❤️", "👩‍💻", "🎉", "✅", "🇫🇷"];
