<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ja" sourcelanguage="en">
<context>
    <name>AboutView</name>
    <message>
        <source>Looking at this computer…</source>
        <translation>このコンピューターを調べています…</translation>
    </message>
    <message>
        <source>Licensed under Apache-2.0. Python {python}, {platform}. The program&apos;s files: {folder}</source>
        <translation>ライセンス: Apache-2.0。Python {python}、{platform}。プログラムの場所: {folder}</translation>
    </message>
    <message>
        <source>Your files</source>
        <translation>あなたのファイル</translation>
    </message>
    <message>
        <source>Recipes</source>
        <translation>レシピ</translation>
    </message>
    <message>
        <source>Bundles</source>
        <translation>バンドル</translation>
    </message>
    <message>
        <source>Trainings</source>
        <translation>学習</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>設定</translation>
    </message>
    <message>
        <source>Log</source>
        <translation>ログ</translation>
    </message>
    <message>
        <source>Open: {name}</source>
        <translation>開く: {name}</translation>
    </message>
    <message>
        <source>Check this computer</source>
        <translation>このコンピューターを調べる</translation>
    </message>
    <message>
        <source>Licences</source>
        <translation>ライセンス</translation>
    </message>
    <message>
        <source>What the check says</source>
        <translation>調査の結果</translation>
    </message>
</context>
<context>
    <name>AdvancedPage</name>
    <message>
        <source>Data</source>
        <translation>データ</translation>
    </message>
    <message>
        <source>Network</source>
        <translation>ネットワーク</translation>
    </message>
    <message>
        <source>Learning</source>
        <translation>学習</translation>
    </message>
    <message>
        <source>Images</source>
        <translation>画像</translation>
    </message>
    <message>
        <source>Quality</source>
        <translation>品質</translation>
    </message>
    <message>
        <source>Computer</source>
        <translation>コンピューター</translation>
    </message>
    <message>
        <source>Search the settings</source>
        <translation>設定を検索</translation>
    </message>
    <message>
        <source>Only changed ones</source>
        <translation>変更したものだけ</translation>
    </message>
    <message>
        <source>Reset all</source>
        <translation>すべて元に戻す</translation>
    </message>
    <message>
        <source>No setting is called so.</source>
        <translation>その名前の設定はありません。</translation>
    </message>
</context>
<context>
    <name>AnalysisTab</name>
    <message>
        <source>Bundle</source>
        <translation>バンドル</translation>
    </message>
    <message>
        <source>Nothing to show yet</source>
        <translation>まだ表示するものがありません</translation>
    </message>
    <message>
        <source>Start the line, or open an image, folder or video under Review.</source>
        <translation>検査を開始するか、「レビュー」で画像・フォルダー・動画を開いてください。</translation>
    </message>
    <message>
        <source>Nothing was predicted for this part.</source>
        <translation>この部品の予測はありません。</translation>
    </message>
</context>
<context>
    <name>AnalysisTabs</name>
    <message>
        <source>Analysis</source>
        <translation>解析</translation>
    </message>
</context>
<context>
    <name>ApprovalPanel</name>
    <message>
        <source>Judges the kept images of all that is listed with the new bundle. Parts kept for testing, from which no training learns, are counted by themselves.</source>
        <translation>一覧にある部品の残っている画像を新しいバンドルで判定します。学習に使われないテスト用の部品は別に数えます。</translation>
    </message>
    <message>
        <source>There is no trained bundle yet.</source>
        <translation>学習済みのバンドルがまだありません。</translation>
    </message>
    <message>
        <source>There is no recipe of your own yet.</source>
        <translation>自分のレシピがまだありません。</translation>
    </message>
    <message>
        <source>{count} judged again, {flips} {flips:|flips|flip}.</source>
        <translation>{count} 個を再判定し、{flips} 個の判定が変わります。</translation>
    </message>
    <message>
        <source>Kept for testing: {figures}</source>
        <translation>テスト用に取り分けた部品: {figures}</translation>
    </message>
    <message>
        <source>All parts: {figures}</source>
        <translation>すべての部品: {figures}</translation>
    </message>
    <message>
        <source>{without} {without:|part has|parts have} no image any more, {failed} could not be judged.</source>
        <translation>{without} 個の部品は画像が残っておらず、{failed} 個は判定できませんでした。</translation>
    </message>
    <message>
        <source>The new bundle was trained with a data set that keeps no parts for testing: it may have learnt from all of these.</source>
        <translation>新しいバンドルの学習に使ったデータセットは、テスト用の部品を取り分けていません。これらの部品すべてから学習している可能性があります。</translation>
    </message>
    <message>
        <source>New bundle</source>
        <translation>新しいバンドル</translation>
    </message>
    <message>
        <source>Recipe</source>
        <translation>レシピ</translation>
    </message>
    <message>
        <source>Compare</source>
        <translation>比較</translation>
    </message>
    <message>
        <source>Approve</source>
        <translation>承認</translation>
    </message>
    <message>
        <source>One step back</source>
        <translation>1 つ前に戻す</translation>
    </message>
    <message>
        <source>Report</source>
        <translation>レポート</translation>
    </message>
    <message>
        <source>Close the comparison</source>
        <translation>比較を閉じる</translation>
    </message>
    <message>
        <source>Put it into the recipe as its next revision, under your name</source>
        <translation>あなたの名前で、次の改訂としてレシピに入れます</translation>
    </message>
    <message>
        <source>Write the recipe as it was with the bundle before</source>
        <translation>前のバンドルのときのレシピに戻します</translation>
    </message>
</context>
<context>
    <name>Approving</name>
    <message>
        <source>{recipe} has revision {revision} now, with {bundles}. It is in the audit trail under the name {who}.</source>
        <translation>{recipe} は改訂 {revision}（{bundles}）になりました。{who} の名前で監査記録に残ります。</translation>
    </message>
</context>
<context>
    <name>ArchivePage</name>
    <message>
        <source>Searching…</source>
        <translation>検索しています…</translation>
    </message>
    <message>
        <source>{count} {count:|part|parts}</source>
        <translation>{count} 個の部品</translation>
    </message>
    <message>
        <source>{picks} of {count} {count:|part|parts} picked</source>
        <translation>{count} 個中 {picks} 個を選択</translation>
    </message>
    <message>
        <source>gaps: {gaps}</source>
        <translation>欠落: {gaps}</translation>
    </message>
    <message>
        <source>New parts</source>
        <translation>新しい部品</translation>
    </message>
    <message>
        <source>No earlier NG part.</source>
        <translation>これより前に NG の部品はありません。</translation>
    </message>
    <message>
        <source>No further NG part.</source>
        <translation>これより後に NG の部品はありません。</translation>
    </message>
    <message>
        <source>Archive</source>
        <translation>アーカイブ</translation>
    </message>
    <message>
        <source>Filters</source>
        <translation>絞り込み</translation>
    </message>
    <message>
        <source>Refresh</source>
        <translation>更新</translation>
    </message>
    <message>
        <source>Side by side</source>
        <translation>並べて表示</translation>
    </message>
    <message>
        <source>What if</source>
        <translation>もしも</translation>
    </message>
    <message>
        <source>What if another limit had been set</source>
        <translation>もしも別の限界値だったら</translation>
    </message>
    <message>
        <source>Order</source>
        <translation>並び順</translation>
    </message>
    <message>
        <source>Newest first</source>
        <translation>新しい順</translation>
    </message>
    <message>
        <source>Oldest first</source>
        <translation>古い順</translation>
    </message>
    <message>
        <source>Smallest margin first</source>
        <translation>余裕の小さい順</translation>
    </message>
</context>
<context>
    <name>Banner</name>
    <message>
        <source>Retry</source>
        <translation>再試行</translation>
    </message>
    <message>
        <source>Dismiss</source>
        <translation>閉じる</translation>
    </message>
</context>
<context>
    <name>BundlesPanel</name>
    <message>
        <source>Choose a bundle</source>
        <translation>バンドルを選ぶ</translation>
    </message>
    <message>
        <source>Browse…</source>
        <translation>参照…</translation>
    </message>
    <message>
        <source>The whole frame</source>
        <translation>フレーム全体</translation>
    </message>
    <message>
        <source>Add a bundle: it looks at a camera.</source>
        <translation>バンドルを追加してください。カメラの画像を調べます。</translation>
    </message>
    <message>
        <source>Bundle</source>
        <translation>バンドル</translation>
    </message>
    <message>
        <source>Camera</source>
        <translation>カメラ</translation>
    </message>
    <message>
        <source>Region</source>
        <translation>領域</translation>
    </message>
    <message>
        <source>Bundles of the recipe</source>
        <translation>レシピのバンドル</translation>
    </message>
    <message>
        <source>Add a bundle</source>
        <translation>バンドルを追加</translation>
    </message>
    <message>
        <source>Remove this bundle</source>
        <translation>このバンドルを外す</translation>
    </message>
    <message>
        <source>Draw the region</source>
        <translation>領域を描く</translation>
    </message>
</context>
<context>
    <name>CameraChooser</name>
    <message>
        <source>All cameras</source>
        <translation>すべてのカメラ</translation>
    </message>
    <message>
        <source>Camera</source>
        <translation>カメラ</translation>
    </message>
    <message>
        <source>Which camera is shown</source>
        <translation>表示するカメラ</translation>
    </message>
</context>
<context>
    <name>CamerasPanel</name>
    <message>
        <source>{pixels:.1f} px are</source>
        <translation>{pixels:.1f} px の長さ</translation>
    </message>
    <message>
        <source>Camera</source>
        <translation>カメラ</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>名前</translation>
    </message>
    <message>
        <source>Name of the camera</source>
        <translation>カメラの名前</translation>
    </message>
    <message>
        <source>Source</source>
        <translation>入力元</translation>
    </message>
    <message>
        <source>Choose the source…</source>
        <translation>入力元を選ぶ…</translation>
    </message>
    <message>
        <source>Measure a known length on the picture</source>
        <translation>画像上で既知の長さを測る</translation>
    </message>
    <message>
        <source>Set</source>
        <translation>設定</translation>
    </message>
    <message>
        <source>Grey values in degrees…</source>
        <translation>濃淡値を温度に換算…</translation>
    </message>
    <message>
        <source>Add a camera</source>
        <translation>カメラを追加</translation>
    </message>
    <message>
        <source>Remove this camera</source>
        <translation>このカメラを外す</translation>
    </message>
    <message>
        <source>Length in millimetres</source>
        <translation>長さ（ミリメートル）</translation>
    </message>
    <message>
        <source>less</source>
        <translation>減らす</translation>
    </message>
    <message>
        <source>more</source>
        <translation>増やす</translation>
    </message>
    <message>
        <source>Driver</source>
        <translation>ドライバー</translation>
    </message>
    <message>
        <source>Frames that get no verdict</source>
        <translation>判定しないフレーム</translation>
    </message>
</context>
<context>
    <name>Canvas</name>
    <message>
        <source>SIMULATION</source>
        <translation>シミュレーション</translation>
    </message>
    <message>
        <source>Picture</source>
        <translation>画像</translation>
    </message>
    <message>
        <source>Wheel or + and - zoom, F fits, 1 shows single pixels, Shift and arrows move.</source>
        <translation>ホイールまたは＋・－で拡大縮小、F で全体表示、1 で等倍表示、Shift＋矢印キーで移動します。</translation>
    </message>
</context>
<context>
    <name>CanvasTools</name>
    <message>
        <source>Zoom in (+)</source>
        <translation>拡大 (+)</translation>
    </message>
    <message>
        <source>Zoom out (-)</source>
        <translation>縮小 (-)</translation>
    </message>
    <message>
        <source>Fit (F)</source>
        <translation>全体表示 (F)</translation>
    </message>
</context>
<context>
    <name>Chart</name>
    <message>
        <source>Epoch {epoch}</source>
        <translation>エポック {epoch}</translation>
    </message>
    <message>
        <source>{epoch}, the best so far</source>
        <translation>{epoch}（これまでの最良）</translation>
    </message>
    <message>
        <source>Epoch</source>
        <translation>エポック</translation>
    </message>
    <message>
        <source>Show all epochs</source>
        <translation>全エポックを表示</translation>
    </message>
</context>
<context>
    <name>Choosers</name>
    <message>
        <source>Stop inspecting to change it.</source>
        <translation>変更するには検査を停止してください。</translation>
    </message>
</context>
<context>
    <name>ClassList</name>
    <message>
        <source>Classes</source>
        <translation>クラス</translation>
    </message>
    <message>
        <source>Which classes show good parts? Tick them, or say that none does.</source>
        <translation>良品のクラスはどれですか。選択するか、ないことを指定してください。</translation>
    </message>
    <message>
        <source>Ticked classes are good parts, guessed from their names. Correct it here.</source>
        <translation>選択中のクラスが良品です（名前から推測）。違う場合は直してください。</translation>
    </message>
    <message>
        <source>Ticked classes are good parts; all others are NG.</source>
        <translation>選択中のクラスが良品で、ほかはすべて NG です。</translation>
    </message>
    <message>
        <source>None: every part will be NG</source>
        <translation>なし: すべての部品が NG になります</translation>
    </message>
    <message>
        <source>No class shows good parts</source>
        <translation>良品のクラスはない</translation>
    </message>
    <message>
        <source>{name}: good part</source>
        <translation>{name}: 良品</translation>
    </message>
    <message>
        <source>{name}: {count} {count:|image|images}</source>
        <translation>{name}: {count} 枚</translation>
    </message>
</context>
<context>
    <name>ClassificationTab</name>
    <message>
        <source>{margin:.2f} ahead of the next class.</source>
        <translation>次のクラスとの差は {margin:.2f} です。</translation>
    </message>
    <message>
        <source>This recipe has no bundle that tells classes apart.</source>
        <translation>このレシピにはクラスを見分けるバンドルがありません。</translation>
    </message>
    <message>
        <source>Scores</source>
        <translation>スコア</translation>
    </message>
</context>
<context>
    <name>CompareView</name>
    <message>
        <source>Choose two finished runs or more to compare them.</source>
        <translation>比べるには、完了した学習を 2 つ以上選んでください。</translation>
    </message>
    <message>
        <source>These runs learnt different things; their numbers say nothing about each other.</source>
        <translation>学習した内容が異なるため、数値を比べることはできません。</translation>
    </message>
    <message>
        <source>Measured on different test images: a difference may come from the images.</source>
        <translation>異なるテスト画像で測定されています：差は画像の違いによるものかもしれません。</translation>
    </message>
    <message>
        <source>{measure}: {best} and {other} came to the same.</source>
        <translation>{measure}：{best} と {other} は同じ値です。</translation>
    </message>
    <message>
        <source>{measure}: {best} is highest, but not a proven difference to {others}: the intervals overlap.</source>
        <translation>{measure}：{best} が最も高い値ですが、{others} との差は証明されていません（区間が重なっています）。</translation>
    </message>
    <message>
        <source>{measure}: {best} is lowest, but not a proven difference to {others}: the intervals overlap.</source>
        <translation>{measure}：{best} が最も低い値ですが、{others} との差は証明されていません（区間が重なっています）。</translation>
    </message>
    <message>
        <source>{measure}: {best} is better than the others; the intervals do not overlap.</source>
        <translation>{measure}：{best} がほかより優れています。区間は重なっていません。</translation>
    </message>
    <message>
        <source>Measure</source>
        <translation>指標</translation>
    </message>
    <message>
        <source>Difference</source>
        <translation>差</translation>
    </message>
    <message>
        <source>{spread:.3f}, not proven</source>
        <translation>{spread:.3f}（証明されていない）</translation>
    </message>
    <message>
        <source>{spread:.3f}, proven</source>
        <translation>{spread:.3f}（証明された差）</translation>
    </message>
    <message>
        <source>none</source>
        <translation>なし</translation>
    </message>
    <message>
        <source>Setting</source>
        <translation>設定</translation>
    </message>
    <message>
        <source>Tested images</source>
        <translation>テスト画像</translation>
    </message>
    <message>
        <source>Compare runs</source>
        <translation>学習の比較</translation>
    </message>
    <message>
        <source>Show also what is the same</source>
        <translation>同じものも表示</translation>
    </message>
    <message>
        <source>Measures</source>
        <translation>指標</translation>
    </message>
    <message>
        <source>Settings and data</source>
        <translation>設定とデータ</translation>
    </message>
    <message>
        <source>Curves</source>
        <translation>曲線</translation>
    </message>
</context>
<context>
    <name>ConditionsPanel</name>
    <message>
        <source>Own conditions</source>
        <translation>独自の測定条件</translation>
    </message>
    <message>
        <source>Emissivity and surroundings of the whole picture, in place of those the camera stored.</source>
        <translation>カメラが保存した値の代わりに使う、画像全体の放射率と周囲の条件です。</translation>
    </message>
    <message>
        <source>less</source>
        <translation>減らす</translation>
    </message>
    <message>
        <source>more</source>
        <translation>増やす</translation>
    </message>
    <message>
        <source>Emissivity</source>
        <translation>放射率</translation>
    </message>
    <message>
        <source>Reflected, {unit}</source>
        <translation>反射温度 {unit}</translation>
    </message>
    <message>
        <source>Distance, m</source>
        <translation>距離 m</translation>
    </message>
    <message>
        <source>Humidity, %</source>
        <translation>湿度 %</translation>
    </message>
    <message>
        <source>Air, {unit}</source>
        <translation>気温 {unit}</translation>
    </message>
</context>
<context>
    <name>ConfusionView</name>
    <message>
        <source>{truth}, said to be {said}: {count} ({share:.0f} % of the row)</source>
        <translation>{truth} を {said} と判定：{count}（行の {share:.0f} %）</translation>
    </message>
    <message>
        <source>What was taken for what</source>
        <translation>何を何と判定したか</translation>
    </message>
    <message>
        <source>images</source>
        <translation>画像</translation>
    </message>
    <message>
        <source>objects</source>
        <translation>対象</translation>
    </message>
    <message>
        <source>pixels</source>
        <translation>画素</translation>
    </message>
    <message>
        <source>Rows: what it is. Columns: what the network said. Counted are {unit}. Press a cell to see its images.</source>
        <translation>行：実際のクラス。列：ネットワークの判定。数えているもの：{unit}。セルを押すとその画像を表示します。</translation>
    </message>
    <message>
        <source>There is no such table for this task.</source>
        <translation>このタスクにはこの表がありません。</translation>
    </message>
</context>
<context>
    <name>Considered</name>
    <message>
        <source>Also considered</source>
        <translation>ほかの候補</translation>
    </message>
    <message>
        <source>Training takes {time}.</source>
        <translation>学習時間は{time}です。</translation>
    </message>
    <message>
        <source>Choose</source>
        <translation>選ぶ</translation>
    </message>
    <message>
        <source>Choose: {words}</source>
        <translation>選ぶ: {words}</translation>
    </message>
</context>
<context>
    <name>CopyButton</name>
    <message>
        <source>Copy table</source>
        <translation>表をコピー</translation>
    </message>
</context>
<context>
    <name>CorrectionBar</name>
    <message>
        <source>Truly {what}</source>
        <translation>本当は {what}</translation>
    </message>
    <message>
        <source>Another class</source>
        <translation>別のクラス</translation>
    </message>
    <message>
        <source>The machine: {verdict}</source>
        <translation>機械: {verdict}</translation>
    </message>
    <message>
        <source>Truly: {verdict}</source>
        <translation>本当は: {verdict}</translation>
    </message>
    <message>
        <source>Correction</source>
        <translation>訂正</translation>
    </message>
    <message>
        <source>Right</source>
        <translation>正しい</translation>
    </message>
    <message>
        <source>The machine is right (R)</source>
        <translation>機械の判定は正しい (R)</translation>
    </message>
    <message>
        <source>Wrong</source>
        <translation>誤り</translation>
    </message>
    <message>
        <source>The machine is wrong (W)</source>
        <translation>機械の判定は誤り (W)</translation>
    </message>
    <message>
        <source>Back</source>
        <translation>戻る</translation>
    </message>
    <message>
        <source>Say nothing</source>
        <translation>何も記録しない</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>元に戻す</translation>
    </message>
    <message>
        <source>Take the newest correction of this part back (U)</source>
        <translation>この部品の最新の訂正を取り消す (U)</translation>
    </message>
    <message>
        <source>Your name</source>
        <translation>お名前</translation>
    </message>
    <message>
        <source>Note</source>
        <translation>メモ</translation>
    </message>
    <message>
        <source>Reason</source>
        <translation>理由</translation>
    </message>
</context>
<context>
    <name>Corrector</name>
    <message>
        <source>{count} {count:|part|parts}</source>
        <translation>{count} 個の部品</translation>
    </message>
</context>
<context>
    <name>Counters</name>
    <message>
        <source>Lot {lot} since {time}</source>
        <translation>ロット {lot}（{time} から）</translation>
    </message>
    <message>
        <source>Since {time}</source>
        <translation>{time} から</translation>
    </message>
    <message>
        <source>Counters</source>
        <translation>集計</translation>
    </message>
    <message>
        <source>Total</source>
        <translation>合計</translation>
    </message>
    <message>
        <source>OK</source>
        <translation>OK</translation>
    </message>
    <message>
        <source>NG</source>
        <translation>NG</translation>
    </message>
    <message>
        <source>Review</source>
        <translation>要確認</translation>
    </message>
    <message>
        <source>Not inspected</source>
        <translation>未検査</translation>
    </message>
    <message>
        <source>Yield</source>
        <translation>良品率</translation>
    </message>
    <message>
        <source>OK parts of all inspected parts</source>
        <translation>検査した部品のうち OK の割合</translation>
    </message>
    <message>
        <source>Shift / lot…</source>
        <translation>直・ロット…</translation>
    </message>
    <message>
        <source>New shift or lot: count from 0</source>
        <translation>新しい直・ロット：0 から数える</translation>
    </message>
    <message>
        <source>The counters go on over stop and restart. This begins a new shift or lot at 0.</source>
        <translation>カウンターは停止や再起動をしても続きます。新しい直・ロットを 0 から数え始めます。</translation>
    </message>
</context>
<context>
    <name>CurveView</name>
    <message>
        <source>Training</source>
        <translation>学習</translation>
    </message>
    <message>
        <source>Validation</source>
        <translation>検証</translation>
    </message>
    <message>
        <source>Loss over the epochs</source>
        <translation>エポックごとの損失</translation>
    </message>
    <message>
        <source>Epoch</source>
        <translation>エポック</translation>
    </message>
    <message>
        <source>Loss</source>
        <translation>損失</translation>
    </message>
    <message>
        <source>Precision over recall</source>
        <translation>再現率に対する適合率</translation>
    </message>
    <message>
        <source>Precision over recall: the worst {count} of {total} curves</source>
        <translation>再現率に対する適合率：{total} 本のうち悪いほうから {count} 本</translation>
    </message>
    <message>
        <source>calibrated</source>
        <translation>校正後</translation>
    </message>
    <message>
        <source>before</source>
        <translation>校正前</translation>
    </message>
    <message>
        <source>Do scores tell the truth? On the line they do.</source>
        <translation>スコアは正しいか。線の上なら正しい値です。</translation>
    </message>
    <message>
        <source>Score</source>
        <translation>スコア</translation>
    </message>
    <message>
        <source>Share right</source>
        <translation>正解の割合</translation>
    </message>
    <message>
        <source>each fold</source>
        <translation>各分割</translation>
    </message>
    <message>
        <source>all together</source>
        <translation>全体</translation>
    </message>
    <message>
        <source>Cross-validation; at the right end all folds together</source>
        <translation>交差検証（右端は全分割をまとめたもの）</translation>
    </message>
    <message>
        <source>Fold</source>
        <translation>分割</translation>
    </message>
    <message>
        <source>measured</source>
        <translation>測定</translation>
    </message>
    <message>
        <source>forecast</source>
        <translation>予測</translation>
    </message>
    <message>
        <source>What more images would bring</source>
        <translation>画像を増やした場合の効果</translation>
    </message>
    <message>
        <source>Training images</source>
        <translation>学習画像</translation>
    </message>
    <message>
        <source>There are no curves for this task.</source>
        <translation>このタスクには曲線がありません。</translation>
    </message>
</context>
<context>
    <name>Curves</name>
    <message>
        <source>Training</source>
        <translation>学習</translation>
    </message>
    <message>
        <source>Validation</source>
        <translation>検証</translation>
    </message>
    <message>
        <source>Save table</source>
        <translation>表を保存</translation>
    </message>
    <message>
        <source>Tables (*.csv)</source>
        <translation>表 (*.csv)</translation>
    </message>
    <message>
        <source>Save picture</source>
        <translation>画像を保存</translation>
    </message>
    <message>
        <source>Pictures (*.png)</source>
        <translation>画像 (*.png)</translation>
    </message>
    <message>
        <source>Loss</source>
        <translation>損失</translation>
    </message>
    <message>
        <source>Quality</source>
        <translation>品質</translation>
    </message>
    <message>
        <source>On validation</source>
        <translation>検証データ</translation>
    </message>
    <message>
        <source>Numbers</source>
        <translation>指標</translation>
    </message>
    <message>
        <source>Numbers to draw</source>
        <translation>描く指標</translation>
    </message>
    <message>
        <source>Save the curves</source>
        <translation>曲線を保存</translation>
    </message>
    <message>
        <source>Picture (PNG)…</source>
        <translation>画像 (PNG)…</translation>
    </message>
    <message>
        <source>Table (CSV)…</source>
        <translation>表 (CSV)…</translation>
    </message>
    <message>
        <source>Copy table</source>
        <translation>表をコピー</translation>
    </message>
</context>
<context>
    <name>DataPage</name>
    <message>
        <source>Data</source>
        <translation>データ</translation>
    </message>
    <message>
        <source>Looking at {folder}</source>
        <translation>{folder} を調べています</translation>
    </message>
</context>
<context>
    <name>DetectionTab</name>
    <message>
        <source>Boxes: {count}</source>
        <translation>枠 {count} 個</translation>
    </message>
    <message>
        <source>This recipe has no bundle that finds boxes.</source>
        <translation>このレシピには、枠を検出するバンドルがありません。</translation>
    </message>
    <message>
        <source>Class</source>
        <translation>クラス</translation>
    </message>
    <message>
        <source>Score</source>
        <translation>スコア</translation>
    </message>
    <message>
        <source>Size px</source>
        <translation>大きさ px</translation>
    </message>
    <message>
        <source>Size mm</source>
        <translation>大きさ mm</translation>
    </message>
    <message>
        <source>Boxes</source>
        <translation>枠</translation>
    </message>
</context>
<context>
    <name>DrawingButtons</name>
    <message>
        <source>Draw a spot</source>
        <translation>点を描く</translation>
    </message>
    <message>
        <source>Draw a line</source>
        <translation>線を描く</translation>
    </message>
    <message>
        <source>Draw a rectangle</source>
        <translation>四角形を描く</translation>
    </message>
    <message>
        <source>Draw an ellipse</source>
        <translation>楕円を描く</translation>
    </message>
    <message>
        <source>Draw a polygon</source>
        <translation>多角形を描く</translation>
    </message>
    <message>
        <source>Drag or click in the picture; or arrows move, Enter sets, Escape gives up.</source>
        <translation>画像の上でドラッグまたはクリックします。キーでは、矢印で移動、Enter で決定、Esc で中止します。</translation>
    </message>
    <message>
        <source>Remove the chosen tool, or all</source>
        <translation>選んだツールを削除（未選択ならすべて）</translation>
    </message>
</context>
<context>
    <name>EmptyArchive</name>
    <message>
        <source>Nothing is in the archive yet</source>
        <translation>アーカイブにはまだ何もありません</translation>
    </message>
    <message>
        <source>It fills by itself: start the line on the Inspect page, and every part is recorded here.</source>
        <translation>自動的に記録されます。「検査」のページでラインを開始すると、すべての部品がここに記録されます。</translation>
    </message>
    <message>
        <source>The archive is switched off. Switch it on under Settings; then every part of the line is recorded here.</source>
        <translation>アーカイブはオフです。「設定」でオンにすると、ラインのすべての部品がここに記録されます。</translation>
    </message>
</context>
<context>
    <name>EmptyPage</name>
    <message>
        <source>Review parts at your own pace</source>
        <translation>自分のペースで部品をレビュー</translation>
    </message>
    <message>
        <source>Open an image, a folder of images or a video, or drop it here. Every part is inspected in the background while you step through.</source>
        <translation>画像・画像フォルダー・動画を開くか、ここにドロップしてください。順に見ている間に、すべての部品を裏で検査します。</translation>
    </message>
</context>
<context>
    <name>EmptyRuns</name>
    <message>
        <source>Bring a folder of images, leave with a bundle</source>
        <translation>画像のフォルダーからバンドルを作ります</translation>
    </message>
    <message>
        <source>A training learns from images of your own parts. The line goes on being inspected meanwhile.</source>
        <translation>自分の部品の画像から学習します。その間もラインの検査は続きます。</translation>
    </message>
    <message>
        <source>Choose the folder: the program shows what it understands. Images without labels are sorted into classes.</source>
        <translation>フォルダーを選びます。読み取れた内容が表示されます。ラベルのない画像はクラスに分けます。</translation>
    </message>
    <message>
        <source>Take the network that is recommended, or another one.</source>
        <translation>推奨されるネットワークか、別のネットワークを選びます。</translation>
    </message>
    <message>
        <source>Watch the curves, and use the bundle in your recipe.</source>
        <translation>曲線を見守り、できたバンドルをレシピで使います。</translation>
    </message>
    <message>
        <source>New training</source>
        <translation>新しい学習</translation>
    </message>
    <message>
        <source>Begin a new training</source>
        <translation>新しい学習を始める</translation>
    </message>
    <message>
        <source>Try it with demo data</source>
        <translation>デモデータで試す</translation>
    </message>
</context>
<context>
    <name>EmptyView</name>
    <message>
        <source>Choose a folder of images</source>
        <translation>画像のフォルダーを選ぶ</translation>
    </message>
    <message>
        <source>Press the button above, or drop a folder here. The program shows what it has understood and what is wrong; it moves nothing. Pictures that have no labels yet are sorted into classes here.</source>
        <translation>上のボタンを押すか、ここにフォルダーをドロップしてください。読み取れた内容と問題点を表示します。ファイルは動かしません。ラベルのない画像は、ここでクラスに分けられます。</translation>
    </message>
    <message>
        <source>Folders that are understood</source>
        <translation>対応しているフォルダー</translation>
    </message>
    <message>
        <source>No images yet? Try it with pictures of the demo line:</source>
        <translation>画像がまだない場合は、デモラインの画像で試せます:</translation>
    </message>
    <message>
        <source>Classes</source>
        <translation>クラス</translation>
    </message>
    <message>
        <source>Boxes</source>
        <translation>枠</translation>
    </message>
    <message>
        <source>Masks</source>
        <translation>マスク</translation>
    </message>
    <message>
        <source>Temperatures</source>
        <translation>温度</translation>
    </message>
    <message>
        <source>Demo data: {name}</source>
        <translation>デモデータ: {name}</translation>
    </message>
</context>
<context>
    <name>FactsTable</name>
    <message>
        <source>Setting</source>
        <translation>設定</translation>
    </message>
    <message>
        <source>Value</source>
        <translation>値</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>設定</translation>
    </message>
</context>
<context>
    <name>Field</name>
    <message>
        <source>less</source>
        <translation>減らす</translation>
    </message>
    <message>
        <source>more</source>
        <translation>増やす</translation>
    </message>
</context>
<context>
    <name>Figures</name>
    <message>
        <source>OK</source>
        <translation>OK</translation>
    </message>
    <message>
        <source>NG</source>
        <translation>NG</translation>
    </message>
    <message>
        <source>Yield</source>
        <translation>良品率</translation>
    </message>
    <message>
        <source>Total</source>
        <translation>合計</translation>
    </message>
    <message>
        <source>Review</source>
        <translation>要確認</translation>
    </message>
    <message>
        <source>Not inspected</source>
        <translation>未検査</translation>
    </message>
</context>
<context>
    <name>Filmstrip</name>
    <message>
        <source>Last NG parts</source>
        <translation>直近の NG 部品</translation>
    </message>
</context>
<context>
    <name>FilterPanel</name>
    <message>
        <source>All</source>
        <translation>すべて</translation>
    </message>
    <message>
        <source>Last hour</source>
        <translation>この 1 時間</translation>
    </message>
    <message>
        <source>Today</source>
        <translation>今日</translation>
    </message>
    <message>
        <source>Yesterday</source>
        <translation>昨日</translation>
    </message>
    <message>
        <source>Last 7 days</source>
        <translation>この 7 日間</translation>
    </message>
    <message>
        <source>Last 30 days</source>
        <translation>この 30 日間</translation>
    </message>
    <message>
        <source>From, to</source>
        <translation>期間を指定</translation>
    </message>
    <message>
        <source>Corrected</source>
        <translation>訂正済み</translation>
    </message>
    <message>
        <source>Not corrected</source>
        <translation>未訂正</translation>
    </message>
    <message>
        <source>Truly OK</source>
        <translation>本当は OK</translation>
    </message>
    <message>
        <source>Truly NG</source>
        <translation>本当は NG</translation>
    </message>
    <message>
        <source>Real parts</source>
        <translation>実際の部品</translation>
    </message>
    <message>
        <source>Simulation</source>
        <translation>シミュレーション</translation>
    </message>
    <message>
        <source>Filters</source>
        <translation>絞り込み</translation>
    </message>
    <message>
        <source>Saved filters</source>
        <translation>保存した絞り込み</translation>
    </message>
    <message>
        <source>Part or lot begins with</source>
        <translation>部品・ロットの先頭</translation>
    </message>
    <message>
        <source>Time</source>
        <translation>時刻</translation>
    </message>
    <message>
        <source>Verdict</source>
        <translation>判定</translation>
    </message>
    <message>
        <source>Corrections</source>
        <translation>訂正</translation>
    </message>
    <message>
        <source>Recipe</source>
        <translation>レシピ</translation>
    </message>
    <message>
        <source>Rule that decided</source>
        <translation>判定を決めたルール</translation>
    </message>
    <message>
        <source>Class</source>
        <translation>クラス</translation>
    </message>
    <message>
        <source>Lot</source>
        <translation>ロット</translation>
    </message>
    <message>
        <source>Shift</source>
        <translation>直</translation>
    </message>
    <message>
        <source>Operator</source>
        <translation>作業者</translation>
    </message>
    <message>
        <source>Bundle</source>
        <translation>バンドル</translation>
    </message>
    <message>
        <source>Simulated</source>
        <translation>シミュレーション</translation>
    </message>
    <message>
        <source>Score from, to</source>
        <translation>スコアの範囲</translation>
    </message>
    <message>
        <source>Margin from, to</source>
        <translation>余裕の範囲</translation>
    </message>
    <message>
        <source>from</source>
        <translation>最小</translation>
    </message>
    <message>
        <source>to</source>
        <translation>最大</translation>
    </message>
    <message>
        <source>From</source>
        <translation>開始</translation>
    </message>
    <message>
        <source>To</source>
        <translation>終了</translation>
    </message>
    <message>
        <source>All parts</source>
        <translation>すべての部品</translation>
    </message>
    <message>
        <source>Save these filters</source>
        <translation>この絞り込みを保存</translation>
    </message>
    <message>
        <source>Remove saved filters</source>
        <translation>保存した絞り込みを削除</translation>
    </message>
</context>
<context>
    <name>FolderBar</name>
    <message>
        <source>Choose a folder of labelled images</source>
        <translation>ラベル付き画像のフォルダーを選ぶ</translation>
    </message>
    <message>
        <source>No folder is chosen yet</source>
        <translation>フォルダーが選ばれていません</translation>
    </message>
    <message>
        <source>Data folder</source>
        <translation>データフォルダー</translation>
    </message>
    <message>
        <source>Choose a folder…</source>
        <translation>フォルダーを選ぶ…</translation>
    </message>
</context>
<context>
    <name>FoundView</name>
    <message>
        <source>{count} {count:|image|images}</source>
        <translation>{count} 枚</translation>
    </message>
    <message>
        <source>{count} sizes, most often {width} × {height} px ({share:.0f} %)</source>
        <translation>サイズ {count} 種類、最多は {width} × {height} px({share:.0f} %)</translation>
    </message>
    <message>
        <source>Groups of duplicates: {count}</source>
        <translation>重複のグループ: {count}</translation>
    </message>
    <message>
        <source>Looking for damaged images and duplicates: {done} of {total}</source>
        <translation>破損画像と重複を調べています: {done} / {total}</translation>
    </message>
    <message>
        <source>Looking at the images</source>
        <translation>画像を調べています</translation>
    </message>
    <message>
        <source>Images</source>
        <translation>画像</translation>
    </message>
    <message>
        <source>Problems ({count})</source>
        <translation>問題({count})</translation>
    </message>
    <message>
        <source>Split</source>
        <translation>分割</translation>
    </message>
    <message>
        <source>What is to be learnt</source>
        <translation>学習する内容</translation>
    </message>
    <message>
        <source>Change labels by hand…</source>
        <translation>ラベルを手で変更…</translation>
    </message>
    <message>
        <source>Change labels by hand</source>
        <translation>ラベルを手で変更</translation>
    </message>
    <message>
        <source>Images looked at</source>
        <translation>調べた画像</translation>
    </message>
    <message>
        <source>Read the labels as</source>
        <translation>ラベルの読み込み形式</translation>
    </message>
    <message>
        <source>Images, problems and split</source>
        <translation>画像・問題・分割</translation>
    </message>
</context>
<context>
    <name>Gallery</name>
    <message>
        <source>Before this part the records {first} to {last} are damaged.</source>
        <translation>この部品の前の記録 {first}～{last} は壊れています。</translation>
    </message>
    <message>
        <source>Before this part the records {first} to {last} are missing: they were lost before they were written.</source>
        <translation>この部品の前の記録 {first}～{last} がありません。書き込まれる前に失われました。</translation>
    </message>
    <message>
        <source>no longer listed</source>
        <translation>一覧から外れました</translation>
    </message>
    <message>
        <source>SIMULATION</source>
        <translation>シミュレーション</translation>
    </message>
    <message>
        <source>no picture kept</source>
        <translation>画像の保存なし</translation>
    </message>
    <message>
        <source>picture damaged</source>
        <translation>画像が壊れています</translation>
    </message>
    <message>
        <source>gap: {count} {count:|record|records}</source>
        <translation>欠落: 記録 {count} 件</translation>
    </message>
    <message>
        <source>Parts of the archive</source>
        <translation>アーカイブの部品</translation>
    </message>
</context>
<context>
    <name>GradCamTab</name>
    <message>
        <source>No bundle said anything of this part.</source>
        <translation>この部品について予測したバンドルはありません。</translation>
    </message>
    <message>
        <source>Nothing in this region spoke for this class.</source>
        <translation>この領域には、このクラスの根拠となる箇所がありません。</translation>
    </message>
    <message>
        <source>Kept when the part was inspected. Explain makes another one.</source>
        <translation>検査時に保存されたマップです。「根拠を表示」を押すと新しく作成します。</translation>
    </message>
    <message>
        <source>No heat maps now: the line needs the processor.</source>
        <translation>ラインがプロセッサを必要としているため、ヒートマップは表示しません。</translation>
    </message>
    <message>
        <source>Press Explain to see where the network looked.</source>
        <translation>「根拠を表示」を押すと、ネットワークが注目した箇所を表示します。</translation>
    </message>
    <message>
        <source>Explaining…</source>
        <translation>根拠を計算しています…</translation>
    </message>
    <message>
        <source>Default layer</source>
        <translation>標準の層</translation>
    </message>
    <message>
        <source>What the network says</source>
        <translation>ネットワークの予測</translation>
    </message>
    <message>
        <source>Layer</source>
        <translation>層</translation>
    </message>
    <message>
        <source>Class</source>
        <translation>クラス</translation>
    </message>
    <message>
        <source>Method</source>
        <translation>手法</translation>
    </message>
    <message>
        <source>The usual one</source>
        <translation>標準の手法</translation>
    </message>
    <message>
        <source>Explain</source>
        <translation>根拠を表示</translation>
    </message>
    <message>
        <source>Opacity</source>
        <translation>不透明度</translation>
    </message>
    <message>
        <source>Cut off at either end</source>
        <translation>両端の切り捨て</translation>
    </message>
    <message>
        <source>Original and map beside it</source>
        <translation>元画像とマップを横に表示</translation>
    </message>
    <message>
        <source>Show boxes</source>
        <translation>枠を表示</translation>
    </message>
    <message>
        <source>Explained</source>
        <translation>説明の対象</translation>
    </message>
    <message>
        <source>Score explained</source>
        <translation>対象のスコア</translation>
    </message>
    <message>
        <source>Heat on what was found</source>
        <translation>検出箇所に集まる注目の割合</translation>
    </message>
</context>
<context>
    <name>HandingOn</name>
    <message>
        <source>Save the hold list</source>
        <translation>保留リストを保存</translation>
    </message>
    <message>
        <source>Tables (*.csv)</source>
        <translation>表 (*.csv)</translation>
    </message>
    <message>
        <source>Save the report</source>
        <translation>報告書を保存</translation>
    </message>
    <message>
        <source>Reports (*.html)</source>
        <translation>報告書 (*.html)</translation>
    </message>
    <message>
        <source>Save the evidence pack</source>
        <translation>証拠パックを保存</translation>
    </message>
    <message>
        <source>Folders (*)</source>
        <translation>フォルダー (*)</translation>
    </message>
    <message>
        <source>Save the data set</source>
        <translation>データセットを保存</translation>
    </message>
    <message>
        <source>{what} …</source>
        <translation>{what} …</translation>
    </message>
    <message>
        <source>Written to {path}</source>
        <translation>{path} に書き込みました</translation>
    </message>
    <message>
        <source>Written to {path}: {count} {count:|image|images}</source>
        <translation>{path} に書き出しました: 画像 {count} 枚</translation>
    </message>
    <message>
        <source>Written to {path}: {classes}</source>
        <translation>{path} に書き込みました: {classes}</translation>
    </message>
    <message>
        <source>{count} NG {count:|image was|images were} left out: nothing was found in {count:|it|them} that a label could start from.</source>
        <translation>NG 画像 {count} 枚は除きました。ラベルの元になる検出がありませんでした。</translation>
    </message>
    <message>
        <source>Hand on</source>
        <translation>渡す</translation>
    </message>
    <message>
        <source>What is picked, else all that is listed</source>
        <translation>選んだ部品、なければ一覧のすべて</translation>
    </message>
    <message>
        <source>Hold list (CSV)</source>
        <translation>保留リスト (CSV)</translation>
    </message>
    <message>
        <source>Report (HTML)</source>
        <translation>報告書 (HTML)</translation>
    </message>
    <message>
        <source>Evidence pack (BagIt)</source>
        <translation>証拠パック (BagIt)</translation>
    </message>
    <message>
        <source>Corrected parts as class folders</source>
        <translation>訂正した部品をクラス別フォルダーに</translation>
    </message>
    <message>
        <source>Corrected parts as COCO</source>
        <translation>訂正した部品を COCO に</translation>
    </message>
    <message>
        <source>Corrected parts as YOLO</source>
        <translation>訂正した部品を YOLO に</translation>
    </message>
    <message>
        <source>Corrected parts as Pascal VOC</source>
        <translation>訂正した部品を Pascal VOC に</translation>
    </message>
    <message>
        <source>Corrected parts as masks</source>
        <translation>訂正済みの部品をマスクとして</translation>
    </message>
    <message>
        <source>Train on the corrected parts</source>
        <translation>訂正した部品で学習</translation>
    </message>
    <message>
        <source>Compare a new bundle and approve it</source>
        <translation>新しいバンドルを比較して承認</translation>
    </message>
</context>
<context>
    <name>HeatBar</name>
    <message>
        <source>no heat</source>
        <translation>寄与なし</translation>
    </message>
    <message>
        <source>most heat</source>
        <translation>寄与最大</translation>
    </message>
    <message>
        <source>Colours of the heat map</source>
        <translation>ヒートマップの色</translation>
    </message>
</context>
<context>
    <name>HeatViews</name>
    <message>
        <source>Original</source>
        <translation>元画像</translation>
    </message>
    <message>
        <source>Heat map</source>
        <translation>ヒートマップ</translation>
    </message>
</context>
<context>
    <name>HoldStrip</name>
    <message>
        <source>Back to live</source>
        <translation>ライブに戻る</translation>
    </message>
    <message>
        <source>Held: {part}, {verdict}</source>
        <translation>固定表示中：{part}（{verdict}）</translation>
    </message>
</context>
<context>
    <name>HotSpotFinder</name>
    <message>
        <source>Hotter than around them</source>
        <translation>周囲より熱い箇所</translation>
    </message>
    <message>
        <source>Find spots that are hotter than their surroundings, and follow them from frame to frame.</source>
        <translation>周囲より熱い箇所を探し、フレームごとに追跡します。</translation>
    </message>
    <message>
        <source>At least, K</source>
        <translation>最小の差 K</translation>
    </message>
    <message>
        <source>Least difference to the surroundings in K</source>
        <translation>周囲との最小の温度差 K</translation>
    </message>
    <message>
        <source>less</source>
        <translation>減らす</translation>
    </message>
    <message>
        <source>more</source>
        <translation>増やす</translation>
    </message>
</context>
<context>
    <name>InspectLayout</name>
    <message>
        <source>Start</source>
        <translation>開始</translation>
    </message>
    <message>
        <source>Start inspecting</source>
        <translation>検査を開始</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Stop inspecting</source>
        <translation>検査を停止</translation>
    </message>
    <message>
        <source>Trigger</source>
        <translation>トリガー</translation>
    </message>
    <message>
        <source>Inspect one part now</source>
        <translation>今すぐ 1 個だけ検査</translation>
    </message>
    <message>
        <source>Full screen</source>
        <translation>全画面</translation>
    </message>
    <message>
        <source>Operator view on the full screen (F11)</source>
        <translation>作業者用の全画面表示 (F11)</translation>
    </message>
    <message>
        <source>Keys</source>
        <translation>キー操作</translation>
    </message>
    <message>
        <source>What the keys do (F1)</source>
        <translation>キー操作の一覧 (F1)</translation>
    </message>
    <message>
        <source>Views</source>
        <translation>表示の切り替え</translation>
    </message>
    <message>
        <source>Live</source>
        <translation>ライブ</translation>
    </message>
    <message>
        <source>Ready</source>
        <translation>準備完了</translation>
    </message>
    <message>
        <source>Press Start (F5) to inspect the line.</source>
        <translation>「開始」(F5) を押すと検査を始めます。</translation>
    </message>
</context>
<context>
    <name>Instrument</name>
    <message>
        <source>Take as reference</source>
        <translation>基準画像にする</translation>
    </message>
    <message>
        <source>Keep this picture to compare others with it.</source>
        <translation>この画像を保持し、ほかの画像と比べます。</translation>
    </message>
    <message>
        <source>Difference</source>
        <translation>差分</translation>
    </message>
    <message>
        <source>Show the difference to the reference</source>
        <translation>基準画像との差を表示</translation>
    </message>
    <message>
        <source>Show by how many kelvin each pixel differs from the reference.</source>
        <translation>各画素が基準画像と何 K 違うかを表示します。</translation>
    </message>
    <message>
        <source>Comparison</source>
        <translation>比較</translation>
    </message>
    <message>
        <source>Along the line</source>
        <translation>線に沿った温度</translation>
    </message>
    <message>
        <source>Highest over time</source>
        <translation>最高温度の推移</translation>
    </message>
</context>
<context>
    <name>IsothermPanel</name>
    <message>
        <source>Share of the picture: {share}</source>
        <translation>画像に占める割合：{share}</translation>
    </message>
    <message>
        <source>No isotherm</source>
        <translation>等温域なし</translation>
    </message>
    <message>
        <source>Hotter than</source>
        <translation>この温度より高い</translation>
    </message>
    <message>
        <source>Colder than</source>
        <translation>この温度より低い</translation>
    </message>
    <message>
        <source>Between</source>
        <translation>範囲内</translation>
    </message>
    <message>
        <source>Isotherm</source>
        <translation>等温域</translation>
    </message>
    <message>
        <source>less</source>
        <translation>減らす</translation>
    </message>
    <message>
        <source>more</source>
        <translation>増やす</translation>
    </message>
    <message>
        <source>Hotter than, {unit}</source>
        <translation>この温度より高い（{unit}）</translation>
    </message>
    <message>
        <source>Colder than, {unit}</source>
        <translation>この温度より低い（{unit}）</translation>
    </message>
</context>
<context>
    <name>LabelGrid</name>
    <message>
        <source>no label</source>
        <translation>ラベルなし</translation>
    </message>
</context>
<context>
    <name>LabelView</name>
    <message>
        <source>good</source>
        <translation>良品</translation>
    </message>
    <message>
        <source>defect</source>
        <translation>不良</translation>
    </message>
    <message>
        <source>no label</source>
        <translation>ラベルなし</translation>
    </message>
    <message>
        <source>Selected pictures: {name}</source>
        <translation>選択した画像: {name}</translation>
    </message>
    <message>
        <source>All pictures</source>
        <translation>すべての画像</translation>
    </message>
    <message>
        <source>Without a label</source>
        <translation>ラベルなしの画像</translation>
    </message>
    <message>
        <source>{count} selected</source>
        <translation>{count} 枚を選択中</translation>
    </message>
    <message>
        <source>Sort pictures into classes</source>
        <translation>画像をクラスに分ける</translation>
    </message>
    <message>
        <source>Sort the pictures into classes</source>
        <translation>画像をクラスに分けます</translation>
    </message>
    <message>
        <source>Select pictures, then press a class or its number, or drag them onto it. The pictures stay where they are; the labels are kept beside them in {file}.</source>
        <translation>画像を選び、クラスのボタンか番号キーを押すか、クラスへドラッグします。画像ファイルは動かさず、ラベルは同じフォルダーの {file} に保存します。</translation>
    </message>
    <message>
        <source>Pictures to be sorted</source>
        <translation>分類する画像</translation>
    </message>
    <message>
        <source>Show</source>
        <translation>表示</translation>
    </message>
    <message>
        <source>Another class</source>
        <translation>別のクラス</translation>
    </message>
    <message>
        <source>Name of another class</source>
        <translation>別のクラスの名前</translation>
    </message>
    <message>
        <source>Add</source>
        <translation>追加</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>元に戻す</translation>
    </message>
    <message>
        <source>Use these labels</source>
        <translation>このラベルを使う</translation>
    </message>
</context>
<context>
    <name>Leaving</name>
    <message>
        <source>{name} goes on by itself if you like, and is here again when the window is opened the next time.</source>
        <translation>{name} はこのまま続けることもできます。次にウィンドウを開くと、ここにまた表示されます。</translation>
    </message>
    <message>
        <source>What waits ({count}) begins then.</source>
        <translation>待っている学習（{count} 件）はそのときに始まります。</translation>
    </message>
    <message>
        <source>Go on in the background</source>
        <translation>バックグラウンドで続ける</translation>
    </message>
    <message>
        <source>Cancel the training</source>
        <translation>学習を取り消す</translation>
    </message>
    <message>
        <source>Stay</source>
        <translation>閉じない</translation>
    </message>
    <message>
        <source>A training is running</source>
        <translation>学習の実行中です</translation>
    </message>
    <message>
        <source>Cancelling the training</source>
        <translation>学習を取り消しています</translation>
    </message>
    <message>
        <source>Leaving the training to itself</source>
        <translation>学習をバックグラウンドに移しています</translation>
    </message>
    <message>
        <source>The window closes in a moment.</source>
        <translation>まもなくウィンドウを閉じます。</translation>
    </message>
</context>
<context>
    <name>LineClosing</name>
    <message>
        <source>Hold: stop inspecting and close</source>
        <translation>長押しで検査を停止して閉じる</translation>
    </message>
    <message>
        <source>Go on inspecting</source>
        <translation>検査を続ける</translation>
    </message>
    <message>
        <source>Closing the window stops the inspection. Parts that pass afterwards get no verdict.</source>
        <translation>ウィンドウを閉じると検査が止まります。その後に通る部品は判定されません。</translation>
    </message>
    <message>
        <source>The line is running</source>
        <translation>ラインは検査中です</translation>
    </message>
</context>
<context>
    <name>LineProfile</name>
    <message>
        <source>Move over the plot to find a value in the picture.</source>
        <translation>グラフ上を動かすと、その値の位置が画像に示されます。</translation>
    </message>
    <message>
        <source>Pixel {at}: {value}</source>
        <translation>画素 {at}: {value}</translation>
    </message>
    <message>
        <source>Pixel of line {number}</source>
        <translation>線 {number} の画素</translation>
    </message>
    <message>
        <source>Temperatures along the line</source>
        <translation>線に沿った温度</translation>
    </message>
</context>
<context>
    <name>Listing</name>
    <message>
        <source>Folders {share:.0f} %</source>
        <translation>フォルダー {share:.0f} %</translation>
    </message>
    <message>
        <source>Parts</source>
        <translation>部品</translation>
    </message>
    <message>
        <source>Parts and folders</source>
        <translation>部品とフォルダー</translation>
    </message>
    <message>
        <source>Show</source>
        <translation>表示</translation>
    </message>
    <message>
        <source>All parts</source>
        <translation>すべての部品</translation>
    </message>
    <message>
        <source>Least certain first</source>
        <translation>不確かな順</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>Inspector</source>
        <translation>Inspector</translation>
    </message>
</context>
<context>
    <name>Manual</name>
    <message>
        <source>Help</source>
        <translation>ヘルプ</translation>
    </message>
    <message>
        <source>Topics</source>
        <translation>項目</translation>
    </message>
    <message>
        <source>Show the tour</source>
        <translation>ツアーを見る</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
    <message>
        <source>About this program</source>
        <translation>このプログラムについて</translation>
    </message>
    <message>
        <source>Keys</source>
        <translation>キー操作</translation>
    </message>
    <message>
        <source>On the review page</source>
        <translation>レビューページ</translation>
    </message>
    <message>
        <source>On the archive page</source>
        <translation>アーカイブのページ</translation>
    </message>
    <message>
        <source>In a picture</source>
        <translation>画像の中</translation>
    </message>
    <message>
        <source>In a picture the wheel and two fingers zoom, dragging moves, a double click shows all of it.</source>
        <translation>画像の中では、ホイールと2本指で拡大・縮小、ドラッグで移動、ダブルクリックで全体を表示します。</translation>
    </message>
    <message>
        <source>key</source>
        <translation>キー</translation>
    </message>
    <message>
        <source>effect</source>
        <translation>動作</translation>
    </message>
</context>
<context>
    <name>NetworkPage</name>
    <message>
        <source>Choose start weights</source>
        <translation>初期重みを選ぶ</translation>
    </message>
    <message>
        <source>Weights (*.safetensors *.pth *.pt)</source>
        <translation>重み (*.safetensors *.pth *.pt)</translation>
    </message>
    <message>
        <source>recommended</source>
        <translation>推奨</translation>
    </message>
    <message>
        <source>From nothing</source>
        <translation>ゼロから</translation>
    </message>
    <message>
        <source>ImageNet photographs</source>
        <translation>ImageNet の写真</translation>
    </message>
    <message>
        <source>A file…</source>
        <translation>ファイル…</translation>
    </message>
    <message>
        <source>The usual network of this task.</source>
        <translation>このタスクの標準のネットワークです。</translation>
    </message>
    <message>
        <source>Estimated time: {time}</source>
        <translation>予想時間: {time}</translation>
    </message>
    <message>
        <source>It can start from a network that knows pictures already.</source>
        <translation>画像を学習済みのネットワークから始められます。</translation>
    </message>
    <message>
        <source>can start pretrained</source>
        <translation>学習済みから開始可</translation>
    </message>
    <message>
        <source>Working out what suits this data…</source>
        <translation>このデータに合うものを調べています…</translation>
    </message>
    <message>
        <source>Network</source>
        <translation>ネットワーク</translation>
    </message>
    <message>
        <source>Recommended</source>
        <translation>推奨</translation>
    </message>
    <message>
        <source>Start weights</source>
        <translation>初期重み</translation>
    </message>
    <message>
        <source>Use what is recommended</source>
        <translation>推奨を使う</translation>
    </message>
    <message>
        <source>Takt</source>
        <translation>タクト</translation>
    </message>
    <message>
        <source>The time the line gives each part. 0: not known, so any network may be recommended.</source>
        <translation>ラインが 1 個に与える時間。0 は不明で、どのネットワークも推奨の対象になります。</translation>
    </message>
    <message>
        <source>Takt in seconds</source>
        <translation>タクト(秒)</translation>
    </message>
    <message>
        <source>less</source>
        <translation>減らす</translation>
    </message>
    <message>
        <source>more</source>
        <translation>増やす</translation>
    </message>
</context>
<context>
    <name>NextStep</name>
    <message>
        <source>No limit is set</source>
        <translation>限界値が設定されていません</translation>
    </message>
    <message>
        <source>Temperatures are measured. A part is NG if its hottest place has more than the limit.</source>
        <translation>温度は測定されています。最も熱い場所が限界値を超える部品を NG とします。</translation>
    </message>
    <message>
        <source>Nothing judges these pictures yet</source>
        <translation>この画像を判定するものがまだありません</translation>
    </message>
    <message>
        <source>The shipped networks know only the demo line. Train a bundle on these pictures, or open your recipe.</source>
        <translation>付属のネットワークはデモラインしか知りません。この画像で学習するか、自分のレシピを開いてください。</translation>
    </message>
    <message>
        <source>NG above</source>
        <translation>NG とする温度（これを超える）</translation>
    </message>
    <message>
        <source>less</source>
        <translation>減らす</translation>
    </message>
    <message>
        <source>more</source>
        <translation>増やす</translation>
    </message>
    <message>
        <source>Judge with this limit</source>
        <translation>この限界値で判定</translation>
    </message>
    <message>
        <source>Train on this folder</source>
        <translation>このフォルダーで学習</translation>
    </message>
    <message>
        <source>Open a recipe…</source>
        <translation>レシピを開く…</translation>
    </message>
</context>
<context>
    <name>OpenBar</name>
    <message>
        <source>Save table</source>
        <translation>表を保存</translation>
    </message>
    <message>
        <source>Save picture</source>
        <translation>画像を保存</translation>
    </message>
    <message>
        <source>Save the list as CSV</source>
        <translation>一覧を CSV で保存</translation>
    </message>
    <message>
        <source>Save the picture with its marks as PNG</source>
        <translation>表示中の画像を印ごと PNG で保存</translation>
    </message>
</context>
<context>
    <name>Openers</name>
    <message>
        <source>Image</source>
        <translation>画像</translation>
    </message>
    <message>
        <source>Folder</source>
        <translation>フォルダー</translation>
    </message>
    <message>
        <source>Video</source>
        <translation>動画</translation>
    </message>
    <message>
        <source>Demo line</source>
        <translation>デモライン</translation>
    </message>
</context>
<context>
    <name>Opening</name>
    <message>
        <source>Opening {name}…</source>
        <translation>{name} を開いています…</translation>
    </message>
    <message>
        <source>Opening…</source>
        <translation>開いています…</translation>
    </message>
</context>
<context>
    <name>OperatorView</name>
    <message>
        <source>HELD</source>
        <translation>保持中</translation>
    </message>
    <message>
        <source>Operator view</source>
        <translation>オペレーター画面</translation>
    </message>
    <message>
        <source>Back to live</source>
        <translation>ライブに戻る</translation>
    </message>
    <message>
        <source>Start</source>
        <translation>開始</translation>
    </message>
    <message>
        <source>Start inspecting</source>
        <translation>検査を開始</translation>
    </message>
    <message>
        <source>Stop (hold)</source>
        <translation>長押しで停止</translation>
    </message>
    <message>
        <source>Hold it, or Shift+F5, to stop inspecting</source>
        <translation>ボタンまたは Shift+F5 を押し続けると検査を停止します</translation>
    </message>
    <message>
        <source>Hold it, or Esc, to leave the operator view; the line goes on</source>
        <translation>ボタンまたは Esc を押し続けるとオペレーター画面を出ます。ラインは動き続けます</translation>
    </message>
    <message>
        <source>Trigger</source>
        <translation>トリガー</translation>
    </message>
    <message>
        <source>Inspect one part now</source>
        <translation>部品を 1 個すぐに検査</translation>
    </message>
    <message>
        <source>Leave (hold)</source>
        <translation>長押しで戻る</translation>
    </message>
</context>
<context>
    <name>OutcomeBar</name>
    <message>
        <source>Inspecting…</source>
        <translation>検査しています…</translation>
    </message>
    <message>
        <source>Not judged</source>
        <translation>判定なし</translation>
    </message>
</context>
<context>
    <name>OverTime</name>
    <message>
        <source>Frame</source>
        <translation>フレーム</translation>
    </message>
    <message>
        <source>Seconds</source>
        <translation>秒</translation>
    </message>
    <message>
        <source>Temperatures of the tools over time</source>
        <translation>ツールの温度の推移</translation>
    </message>
</context>
<context>
    <name>Overview</name>
    <message>
        <source>Problems in the data: {count}</source>
        <translation>データの問題：{count} 件</translation>
    </message>
    <message>
        <source>Measure</source>
        <translation>指標</translation>
    </message>
    <message>
        <source>Value</source>
        <translation>値</translation>
    </message>
    <message>
        <source>95 % confidence</source>
        <translation>95 % 信頼区間</translation>
    </message>
    <message>
        <source>Class</source>
        <translation>クラス</translation>
    </message>
    <message>
        <source>Tested</source>
        <translation>テスト数</translation>
    </message>
    <message>
        <source>Measures</source>
        <translation>指標</translation>
    </message>
    <message>
        <source>Classes</source>
        <translation>クラス</translation>
    </message>
</context>
<context>
    <name>PairView</name>
    <message>
        <source>Side by side</source>
        <translation>並べて表示</translation>
    </message>
    <message>
        <source>Gallery</source>
        <translation>ギャラリー</translation>
    </message>
    <message>
        <source>Back to the gallery</source>
        <translation>ギャラリーに戻る</translation>
    </message>
</context>
<context>
    <name>PartSide</name>
    <message>
        <source>Truly: {verdict}</source>
        <translation>正解: {verdict}</translation>
    </message>
</context>
<context>
    <name>PartsModel</name>
    <message>
        <source>Name</source>
        <translation>名前</translation>
    </message>
    <message>
        <source>Verdict</source>
        <translation>判定</translation>
    </message>
    <message>
        <source>Margin</source>
        <translation>余裕</translation>
    </message>
    <message>
        <source>Reason</source>
        <translation>理由</translation>
    </message>
</context>
<context>
    <name>PictureTab</name>
    <message>
        <source>temperatures</source>
        <translation>温度</translation>
    </message>
    <message>
        <source>The whole picture</source>
        <translation>画像全体</translation>
    </message>
    <message>
        <source>Under the cursor</source>
        <translation>カーソル位置</translation>
    </message>
    <message>
        <source>Grey values in degrees…</source>
        <translation>濃淡値を温度に換算…</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>サイズ</translation>
    </message>
    <message>
        <source>Depth</source>
        <translation>ビット深度</translation>
    </message>
    <message>
        <source>Darkest, brightest</source>
        <translation>最暗・最明</translation>
    </message>
    <message>
        <source>Mean</source>
        <translation>平均</translation>
    </message>
</context>
<context>
    <name>Player</name>
    <message>
        <source>Pause (Space)</source>
        <translation>一時停止 (Space)</translation>
    </message>
    <message>
        <source>Play (Space)</source>
        <translation>再生 (Space)</translation>
    </message>
    <message>
        <source>Previous NG (Shift+N)</source>
        <translation>前の NG (Shift+N)</translation>
    </message>
    <message>
        <source>Previous (Left)</source>
        <translation>前へ (←)</translation>
    </message>
    <message>
        <source>Next (Right)</source>
        <translation>次へ (→)</translation>
    </message>
    <message>
        <source>Next NG (N)</source>
        <translation>次の NG (N)</translation>
    </message>
    <message>
        <source>{number}/s</source>
        <translation>{number} 個/秒</translation>
    </message>
    <message>
        <source>Speed</source>
        <translation>速さ</translation>
    </message>
    <message>
        <source>Parts a second</source>
        <translation>1 秒あたりの部品数</translation>
    </message>
    <message>
        <source>Time line</source>
        <translation>タイムライン</translation>
    </message>
</context>
<context>
    <name>Plot</name>
    <message>
        <source>Picture (*.png);;Values (*.csv)</source>
        <translation>画像 (*.png);;値 (*.csv)</translation>
    </message>
    <message>
        <source>Save the chart</source>
        <translation>グラフを保存</translation>
    </message>
    <message>
        <source>Copy the values</source>
        <translation>値をコピー</translation>
    </message>
</context>
<context>
    <name>ProblemList</name>
    <message>
        <source>… and {count} more; copy the list to see them all.</source>
        <translation>… 他 {count} 件。すべて見るには一覧をコピーしてください。</translation>
    </message>
    <message>
        <source>Found {count}. Press one to see its image.</source>
        <translation>{count} 件見つかりました。押すと画像を表示します。</translation>
    </message>
    <message>
        <source>No problem was found.</source>
        <translation>問題は見つかりませんでした。</translation>
    </message>
    <message>
        <source>Problems found</source>
        <translation>見つかった問題</translation>
    </message>
</context>
<context>
    <name>Rail</name>
    <message>
        <source>Pages</source>
        <translation>ページ</translation>
    </message>
    <message>
        <source>Inspect</source>
        <translation>検査</translation>
    </message>
    <message>
        <source>Review</source>
        <translation>レビュー</translation>
    </message>
    <message>
        <source>Archive</source>
        <translation>アーカイブ</translation>
    </message>
    <message>
        <source>Train</source>
        <translation>学習</translation>
    </message>
    <message>
        <source>Recipes</source>
        <translation>レシピ</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>設定</translation>
    </message>
</context>
<context>
    <name>RecipeChange</name>
    <message>
        <source>The line is running</source>
        <translation>ラインは稼働中です</translation>
    </message>
    <message>
        <source>{name} is saved. Shall the line go on with it now?</source>
        <translation>{name} を保存しました。このレシピに切り替えて検査を続けますか?</translation>
    </message>
    <message>
        <source>Go on with it</source>
        <translation>切り替える</translation>
    </message>
    <message>
        <source>Keep what runs</source>
        <translation>今のまま続ける</translation>
    </message>
</context>
<context>
    <name>RecipeChooser</name>
    <message>
        <source>Open a recipe</source>
        <translation>レシピを開く</translation>
    </message>
    <message>
        <source>Recipes (*.toml)</source>
        <translation>レシピ (*.toml)</translation>
    </message>
    <message>
        <source>Open a recipe…</source>
        <translation>レシピを開く…</translation>
    </message>
    <message>
        <source>Recipe</source>
        <translation>レシピ</translation>
    </message>
    <message>
        <source>What is inspected: cameras, bundles and rules of one product</source>
        <translation>検査内容：製品ごとのカメラ・バンドル・判定ルール</translation>
    </message>
</context>
<context>
    <name>RecipeEditor</name>
    <message>
        <source>The recipe would run.</source>
        <translation>このレシピは実行できます。</translation>
    </message>
    <message>
        <source>No frame yet</source>
        <translation>フレームがまだありません</translation>
    </message>
    <message>
        <source>Add a camera: its picture appears here.</source>
        <translation>カメラを追加すると、ここに画像が表示されます。</translation>
    </message>
    <message>
        <source>Cameras</source>
        <translation>カメラ</translation>
    </message>
    <message>
        <source>Bundles</source>
        <translation>バンドル</translation>
    </message>
    <message>
        <source>Rules</source>
        <translation>ルール</translation>
    </message>
    <message>
        <source>Line</source>
        <translation>ライン</translation>
    </message>
    <message>
        <source>History</source>
        <translation>履歴</translation>
    </message>
    <message>
        <source>What the recipe sets</source>
        <translation>レシピの設定内容</translation>
    </message>
    <message>
        <source>Next frame</source>
        <translation>次のフレーム</translation>
    </message>
</context>
<context>
    <name>RecipePanel</name>
    <message>
        <source>The one that runs now ({name})</source>
        <translation>現在使用中のレシピ（{name}）</translation>
    </message>
    <message>
        <source>Another file…</source>
        <translation>別のファイル…</translation>
    </message>
    <message>
        <source>A new recipe</source>
        <translation>新しいレシピ</translation>
    </message>
    <message>
        <source>Recipes (*.toml)</source>
        <translation>レシピ (*.toml)</translation>
    </message>
    <message>
        <source>Choose a recipe</source>
        <translation>レシピを選ぶ</translation>
    </message>
    <message>
        <source>Choose where the frames come from…</source>
        <translation>入力元を選ぶ…</translation>
    </message>
    <message>
        <source>Nothing: it looks beside the others</source>
        <translation>置き換えない：ほかと並べて検査</translation>
    </message>
    <message>
        <source>The whole frame</source>
        <translation>画像全体</translation>
    </message>
    <message>
        <source>{region}, as {bundles}</source>
        <translation>{region}（{bundles} と同じ）</translation>
    </message>
    <message>
        <source>Counts from the score</source>
        <translation>有効とするスコア</translation>
    </message>
    <message>
        <source>Go to Inspect</source>
        <translation>検査へ進む</translation>
    </message>
    <message>
        <source>The rules of {bundle} go on ({count})</source>
        <translation>{bundle} のルールを引き継ぐ（{count} 件）</translation>
    </message>
    <message>
        <source>No rule yet: it is measured, not judged</source>
        <translation>ルールなし：測定だけで判定しない</translation>
    </message>
    <message>
        <source>A new recipe is written to {file}.</source>
        <translation>新しいレシピを {file} に書きます。</translation>
    </message>
    <message>
        <source>The recipe came with the program; its changed copy is written to {file}.</source>
        <translation>プログラム付属のレシピのため、変更したコピーを {file} に書きます。</translation>
    </message>
    <message>
        <source>{file} becomes revision {revision}. What it holds now is kept among its revisions.</source>
        <translation>{file} は改訂 {revision} になります。現在の内容は改訂の履歴に残ります。</translation>
    </message>
    <message>
        <source>Regions, cameras and further rules are set on the Recipes page.</source>
        <translation>領域、カメラ、そのほかのルールはレシピページで設定します。</translation>
    </message>
    <message>
        <source>{bundle} takes the place of {other}.</source>
        <translation>{bundle} が {other} と置き換わります。</translation>
    </message>
    <message>
        <source>The bundle is copied to the program&apos;s own folder, so that the run may be deleted.</source>
        <translation>バンドルはプログラムのフォルダーにコピーされるので、学習の記録を削除してもかまいません。</translation>
    </message>
    <message>
        <source>Done: the recipe {name}, revision {revision}, is in {file}.</source>
        <translation>完了：レシピ {name}（改訂 {revision}）を {file} に書きました。</translation>
    </message>
    <message>
        <source>The earlier one is kept as {file}.</source>
        <translation>以前のものは {file} に残しました。</translation>
    </message>
    <message>
        <source>Use {bundle} in a recipe</source>
        <translation>{bundle} をレシピで使う</translation>
    </message>
    <message>
        <source>Use in a recipe</source>
        <translation>レシピで使う</translation>
    </message>
    <message>
        <source>Recipe</source>
        <translation>レシピ</translation>
    </message>
    <message>
        <source>Source of frames</source>
        <translation>画像の入力元</translation>
    </message>
    <message>
        <source>Camera</source>
        <translation>カメラ</translation>
    </message>
    <message>
        <source>In place of</source>
        <translation>置き換える対象</translation>
    </message>
    <message>
        <source>Region</source>
        <translation>領域</translation>
    </message>
    <message>
        <source>Rule</source>
        <translation>ルール</translation>
    </message>
    <message>
        <source>Limit</source>
        <translation>限界値</translation>
    </message>
    <message>
        <source>less</source>
        <translation>減らす</translation>
    </message>
    <message>
        <source>more</source>
        <translation>増やす</translation>
    </message>
    <message>
        <source>Back to the results</source>
        <translation>結果に戻る</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>元に戻す</translation>
    </message>
    <message>
        <source>Use it</source>
        <translation>使う</translation>
    </message>
    <message>
        <source>Use it nevertheless</source>
        <translation>それでも使う</translation>
    </message>
</context>
<context>
    <name>RecipesPage</name>
    <message>
        <source>New recipe</source>
        <translation>新しいレシピ</translation>
    </message>
    <message>
        <source>Save them</source>
        <translation>保存する</translation>
    </message>
    <message>
        <source>Discard them</source>
        <translation>破棄する</translation>
    </message>
    <message>
        <source>Go on editing</source>
        <translation>編集を続ける</translation>
    </message>
    <message>
        <source>There are changes that are not saved</source>
        <translation>保存していない変更があります</translation>
    </message>
    <message>
        <source>Save a copy</source>
        <translation>コピーを保存</translation>
    </message>
    <message>
        <source>Save revision {number}</source>
        <translation>改訂 {number} を保存</translation>
    </message>
    <message>
        <source>Save the recipe</source>
        <translation>レシピを保存</translation>
    </message>
    <message>
        <source>Recipes</source>
        <translation>レシピ</translation>
    </message>
    <message>
        <source>Discard changes</source>
        <translation>変更を破棄</translation>
    </message>
    <message>
        <source>Go to Inspect</source>
        <translation>検査へ進む</translation>
    </message>
</context>
<context>
    <name>RecordView</name>
    <message>
        <source>Nobody has corrected this part.</source>
        <translation>この部品はまだ訂正されていません。</translation>
    </message>
    <message>
        <source>Recipe</source>
        <translation>レシピ</translation>
    </message>
    <message>
        <source>Bundles</source>
        <translation>バンドル</translation>
    </message>
    <message>
        <source>Engine</source>
        <translation>エンジン</translation>
    </message>
    <message>
        <source>Lot</source>
        <translation>ロット</translation>
    </message>
    <message>
        <source>Order</source>
        <translation>注文</translation>
    </message>
    <message>
        <source>Station</source>
        <translation>ステーション</translation>
    </message>
    <message>
        <source>Shift, operator</source>
        <translation>直、作業者</translation>
    </message>
    <message>
        <source>Time</source>
        <translation>時刻</translation>
    </message>
    <message>
        <source>Times in ms</source>
        <translation>時間 (ms)</translation>
    </message>
    <message>
        <source>The line was told</source>
        <translation>ラインへの通知</translation>
    </message>
    <message>
        <source>Simulated</source>
        <translation>シミュレーション</translation>
    </message>
    <message>
        <source>yes</source>
        <translation>はい</translation>
    </message>
    <message>
        <source>Source</source>
        <translation>画像の出どころ</translation>
    </message>
    <message>
        <source>Software</source>
        <translation>ソフトウェア</translation>
    </message>
    <message>
        <source>Record</source>
        <translation>記録</translation>
    </message>
    <message>
        <source>Gallery</source>
        <translation>一覧</translation>
    </message>
    <message>
        <source>Back to the gallery (Esc)</source>
        <translation>一覧に戻る (Esc)</translation>
    </message>
    <message>
        <source>Previous NG (Shift+N)</source>
        <translation>前の NG (Shift+N)</translation>
    </message>
    <message>
        <source>Previous (Left)</source>
        <translation>前へ (←)</translation>
    </message>
    <message>
        <source>Next (Right)</source>
        <translation>次へ (→)</translation>
    </message>
    <message>
        <source>Next NG (N)</source>
        <translation>次の NG (N)</translation>
    </message>
    <message>
        <source>Rule</source>
        <translation>ルール</translation>
    </message>
    <message>
        <source>Value</source>
        <translation>値</translation>
    </message>
    <message>
        <source>Limit</source>
        <translation>限界値</translation>
    </message>
    <message>
        <source>Verdict</source>
        <translation>判定</translation>
    </message>
    <message>
        <source>Judgements</source>
        <translation>判定の内訳</translation>
    </message>
    <message>
        <source>Where the verdict came from</source>
        <translation>判定の由来</translation>
    </message>
    <message>
        <source>Corrections</source>
        <translation>訂正</translation>
    </message>
    <message>
        <source>View</source>
        <translation>表示</translation>
    </message>
</context>
<context>
    <name>RegisterSheet</name>
    <message>
        <source>Kept in {file}.</source>
        <translation>{file} に保存しました。</translation>
    </message>
    <message>
        <source>Points in both pictures: {count}. At least five are needed.</source>
        <translation>両方の画像の点: {count}。少なくとも5点が必要です。</translation>
    </message>
    <message>
        <source>Four points always fit. Press a fifth, so that the error can be measured.</source>
        <translation>4点は必ず一致します。誤差を測るために5点目を指定してください。</translation>
    </message>
    <message>
        <source>{count} points: error {error:.2f} px, at worst {worst:.2f} px.</source>
        <translation>{count}点: 誤差 {error:.2f} px、最大 {worst:.2f} px。</translation>
    </message>
    <message>
        <source>{count} points: error {error:.2f} px ({mm:.2f} mm), at worst {worst:.2f} px.</source>
        <translation>{count}点: 誤差 {error:.2f} px（{mm:.2f} mm）、最大 {worst:.2f} px。</translation>
    </message>
    <message>
        <source>Measured last on {when}. Find the target again to see whether it still holds.</source>
        <translation>前回の測定: {when}。今も有効かどうかは、ターゲットをもう一度検出して確かめてください。</translation>
    </message>
    <message>
        <source>What was measured on {when} no longer holds: a camera was moved. Points lie up to {off:.1f} px from where it expects them (limit {limit:.1f} px).</source>
        <translation>{when} の測定結果はもう有効ではありません。カメラが動いています。点が想定の位置から最大 {off:.1f} px ずれています（限度 {limit:.1f} px）。</translation>
    </message>
    <message>
        <source>What was measured on {when} still holds: points lie up to {off:.1f} px from where it expects them (limit {limit:.1f} px).</source>
        <translation>{when} の測定結果は今も有効です。点のずれは想定の位置から最大 {off:.1f} px です（限度 {limit:.1f} px）。</translation>
    </message>
    <message>
        <source>How the thermal and the visible camera lie to each other</source>
        <translation>サーマルカメラと可視カメラの位置合わせ</translation>
    </message>
    <message>
        <source>Put a heated target of round spots before both cameras and find it, or press the same points in both pictures. It holds for the plane of the target.</source>
        <translation>丸い点の並んだ加熱ターゲットを両方のカメラの前に置いて検出するか、両方の画像で同じ点を指定してください。結果はターゲットの平面で有効です。</translation>
    </message>
    <message>
        <source>Thermal picture</source>
        <translation>サーマル画像</translation>
    </message>
    <message>
        <source>Visible picture</source>
        <translation>可視画像</translation>
    </message>
    <message>
        <source>less</source>
        <translation>減らす</translation>
    </message>
    <message>
        <source>more</source>
        <translation>増やす</translation>
    </message>
    <message>
        <source>Spots in a row</source>
        <translation>1行の点の数</translation>
    </message>
    <message>
        <source>Rows of spots</source>
        <translation>点の行数</translation>
    </message>
    <message>
        <source>Visible pixel, mm (0: unknown)</source>
        <translation>可視画像の1画素、mm（0: 不明）</translation>
    </message>
    <message>
        <source>Find the target</source>
        <translation>ターゲットを検出</translation>
    </message>
    <message>
        <source>Undo the last point</source>
        <translation>最後の点を取り消す</translation>
    </message>
    <message>
        <source>Remove all points</source>
        <translation>点をすべて消す</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
    <message>
        <source>Keep it</source>
        <translation>保存する</translation>
    </message>
    <message>
        <source>Visible camera</source>
        <translation>可視カメラ</translation>
    </message>
    <message>
        <source>Show the temperatures over it</source>
        <translation>温度を重ねて表示</translation>
    </message>
</context>
<context>
    <name>ResultFacts</name>
    <message>
        <source>{low} to {high} with 95 % confidence</source>
        <translation>95 % 信頼区間 {low}〜{high}</translation>
    </message>
    <message>
        <source>on {count} {part} {count:|image|images}</source>
        <translation>{part}画像 {count} 枚</translation>
    </message>
    <message>
        <source>{low} to {high}</source>
        <translation>{low}～{high}</translation>
    </message>
    <message>
        <source>{count} test {count:|image is|images are} too few to be sure: the true value may lie anywhere from {low} to {high}.</source>
        <translation>テスト画像 {count} 枚では確かなことは言えません。真の値は {low}～{high} のどこにもあり得ます。</translation>
    </message>
    <message>
        <source>the usual one</source>
        <translation>標準の値</translation>
    </message>
    <message>
        <source>as you set it</source>
        <translation>設定した値</translation>
    </message>
    <message>
        <source>best on validation</source>
        <translation>検証で最良</translation>
    </message>
    <message>
        <source>for the allowed false rejects</source>
        <translation>許容する過検出率に合わせた値</translation>
    </message>
    <message>
        <source>temperature {temperature}; off by {after} on average, {before} before</source>
        <translation>温度 {temperature}。平均のずれ {after}（校正前 {before}）</translation>
    </message>
    <message>
        <source>{share} % ({low} to {high} %) of {count} {count:|image|images}</source>
        <translation>画像 {count} 枚の {share} %（{low}〜{high} %）</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>しきい値</translation>
    </message>
    <message>
        <source>Good parts rejected</source>
        <translation>良品の過検出</translation>
    </message>
    <message>
        <source>Defects missed</source>
        <translation>不良の見逃し</translation>
    </message>
    <message>
        <source>Left for review</source>
        <translation>要確認</translation>
    </message>
    <message>
        <source>Refused</source>
        <translation>できなかったこと</translation>
    </message>
    <message>
        <source>Calibration of the scores</source>
        <translation>スコアの校正</translation>
    </message>
    <message>
        <source>Data</source>
        <translation>データ</translation>
    </message>
    <message>
        <source>Fingerprint of the data</source>
        <translation>データの指紋</translation>
    </message>
    <message>
        <source>What is learnt</source>
        <translation>学習する内容</translation>
    </message>
    <message>
        <source>Network</source>
        <translation>ネットワーク</translation>
    </message>
    <message>
        <source>Epochs</source>
        <translation>エポック数</translation>
    </message>
    <message>
        <source>{epochs}, the best was {best}</source>
        <translation>{epochs}（最良は {best}）</translation>
    </message>
    <message>
        <source>Time</source>
        <translation>時間</translation>
    </message>
    <message>
        <source>Measured with</source>
        <translation>測定に使ったエンジン</translation>
    </message>
    <message>
        <source>Program</source>
        <translation>プログラム</translation>
    </message>
    <message>
        <source>{count} folds, all answers together: {number}</source>
        <translation>{count} 分割、全体で {number}</translation>
    </message>
    <message>
        <source>Cross-validation</source>
        <translation>交差検証</translation>
    </message>
</context>
<context>
    <name>ResultsView</name>
    <message>
        <source>Tables (*.csv);;Report with everything (*.json)</source>
        <translation>表 (*.csv);;全内容のレポート (*.json)</translation>
    </message>
    <message>
        <source>Export the results</source>
        <translation>結果を書き出す</translation>
    </message>
    <message>
        <source>Overview</source>
        <translation>概要</translation>
    </message>
    <message>
        <source>Confusions</source>
        <translation>混同行列</translation>
    </message>
    <message>
        <source>Curves</source>
        <translation>曲線</translation>
    </message>
    <message>
        <source>Errors ({count})</source>
        <translation>誤り（{count}）</translation>
    </message>
    <message>
        <source>Where it looks</source>
        <translation>注目箇所</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>設定</translation>
    </message>
    <message>
        <source>Results</source>
        <translation>結果</translation>
    </message>
    <message>
        <source>Judge my pictures</source>
        <translation>自分の画像を判定</translation>
    </message>
    <message>
        <source>Use in a recipe</source>
        <translation>レシピで使う</translation>
    </message>
    <message>
        <source>Report</source>
        <translation>レポート</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>書き出す</translation>
    </message>
    <message>
        <source>Variants</source>
        <translation>バリアント</translation>
    </message>
    <message>
        <source>What the bundle can be run with: export, check and remove</source>
        <translation>このバンドルを何で実行できるか：書き出し、確認、削除</translation>
    </message>
</context>
<context>
    <name>ReviewPage</name>
    <message>
        <source>Opening…</source>
        <translation>開いています…</translation>
    </message>
    <message>
        <source>Looking for an NG part…</source>
        <translation>NG 部品を探しています…</translation>
    </message>
    <message>
        <source>No further NG part.</source>
        <translation>この先に NG 部品はありません。</translation>
    </message>
    <message>
        <source>No earlier NG part.</source>
        <translation>これより前に NG 部品はありません。</translation>
    </message>
    <message>
        <source>{done} of {count} inspected</source>
        <translation>{count} 個中 {done} 個を検査済み</translation>
    </message>
    <message>
        <source>Save table</source>
        <translation>表を保存</translation>
    </message>
    <message>
        <source>Tables (*.csv)</source>
        <translation>表 (*.csv)</translation>
    </message>
    <message>
        <source>Save picture</source>
        <translation>画像を保存</translation>
    </message>
    <message>
        <source>Pictures (*.png)</source>
        <translation>画像 (*.png)</translation>
    </message>
    <message>
        <source>Review a folder of images</source>
        <translation>画像フォルダーをレビュー</translation>
    </message>
    <message>
        <source>Images ({patterns})</source>
        <translation>画像 ({patterns})</translation>
    </message>
    <message>
        <source>Videos ({patterns})</source>
        <translation>動画 ({patterns})</translation>
    </message>
    <message>
        <source>Review an image</source>
        <translation>画像をレビュー</translation>
    </message>
    <message>
        <source>Review a video</source>
        <translation>動画をレビュー</translation>
    </message>
    <message>
        <source>Review</source>
        <translation>レビュー</translation>
    </message>
</context>
<context>
    <name>RevisionsPanel</name>
    <message>
        <source>What revision {number} changed</source>
        <translation>改訂 {number} の変更点</translation>
    </message>
    <message>
        <source>Revision {number} changed no value</source>
        <translation>改訂 {number} で変わった値はありません</translation>
    </message>
    <message>
        <source>Revision</source>
        <translation>改訂</translation>
    </message>
    <message>
        <source>Who</source>
        <translation>変更者</translation>
    </message>
    <message>
        <source>When</source>
        <translation>日時</translation>
    </message>
    <message>
        <source>Revisions</source>
        <translation>改訂の履歴</translation>
    </message>
    <message>
        <source>Value</source>
        <translation>項目</translation>
    </message>
    <message>
        <source>Before</source>
        <translation>変更前</translation>
    </message>
    <message>
        <source>After</source>
        <translation>変更後</translation>
    </message>
    <message>
        <source>Differences</source>
        <translation>変更点</translation>
    </message>
    <message>
        <source>Revisions are kept from the first save on this page.</source>
        <translation>このページで最初に保存したときから履歴が残ります。</translation>
    </message>
    <message>
        <source>One step back</source>
        <translation>1つ前に戻す</translation>
    </message>
</context>
<context>
    <name>RulesPanel</name>
    <message>
        <source>The last {count} come with the bundles.</source>
        <translation>最後の {count} 件はバンドルの標準ルールです。</translation>
    </message>
    <message>
        <source>Rule</source>
        <translation>ルール</translation>
    </message>
    <message>
        <source>Limit</source>
        <translation>限界値</translation>
    </message>
    <message>
        <source>Here</source>
        <translation>この画像</translation>
    </message>
    <message>
        <source>Verdict</source>
        <translation>判定</translation>
    </message>
    <message>
        <source>Rules</source>
        <translation>ルール</translation>
    </message>
    <message>
        <source>Bundle</source>
        <translation>バンドル</translation>
    </message>
    <message>
        <source>Bundle of the rule</source>
        <translation>ルールのバンドル</translation>
    </message>
    <message>
        <source>Add a rule</source>
        <translation>ルールを追加</translation>
    </message>
    <message>
        <source>Remove this rule</source>
        <translation>このルールを外す</translation>
    </message>
</context>
<context>
    <name>RunList</name>
    <message>
        <source>Trainings</source>
        <translation>学習の一覧</translation>
    </message>
</context>
<context>
    <name>RunLog</name>
    <message>
        <source>… earlier lines are in the run&apos;s folder, in messages.jsonl.</source>
        <translation>… これより前の行は、学習のフォルダーの messages.jsonl にあります。</translation>
    </message>
    <message>
        <source>Log</source>
        <translation>ログ</translation>
    </message>
    <message>
        <source>Nothing has been said yet.</source>
        <translation>まだ何も記録されていません。</translation>
    </message>
</context>
<context>
    <name>RunView</name>
    <message>
        <source>Cancelling…</source>
        <translation>中止しています…</translation>
    </message>
    <message>
        <source>Stopping; the best epoch is being measured…</source>
        <translation>終了中です。最良のエポックを測定しています…</translation>
    </message>
    <message>
        <source>Pausing…</source>
        <translation>一時停止しています…</translation>
    </message>
    <message>
        <source>{rate} images/s</source>
        <translation>{rate} 枚/秒</translation>
    </message>
    <message>
        <source>Best: {value}</source>
        <translation>最良：{value}</translation>
    </message>
    <message>
        <source>Take out of the queue</source>
        <translation>待ち行列から外す</translation>
    </message>
    <message>
        <source>Cancel training</source>
        <translation>学習を取り消す</translation>
    </message>
    <message>
        <source>Training</source>
        <translation>学習</translation>
    </message>
    <message>
        <source>Pause</source>
        <translation>一時停止</translation>
    </message>
    <message>
        <source>Go on</source>
        <translation>再開</translation>
    </message>
    <message>
        <source>Stop and keep the best</source>
        <translation>終了して最良を残す</translation>
    </message>
    <message>
        <source>Train again</source>
        <translation>もう一度学習</translation>
    </message>
    <message>
        <source>Copy details</source>
        <translation>詳細をコピー</translation>
    </message>
    <message>
        <source>Open folder</source>
        <translation>フォルダーを開く</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>削除</translation>
    </message>
    <message>
        <source>It uses no processor then, but keeps its memory</source>
        <translation>停止中は CPU を使いませんが、メモリーは使ったままです</translation>
    </message>
    <message>
        <source>End now; the best epoch so far is measured and becomes a bundle</source>
        <translation>ここで終了し、これまでで最良のエポックを測定してバンドルにします</translation>
    </message>
    <message>
        <source>From the last epoch</source>
        <translation>最後のエポックから</translation>
    </message>
    <message>
        <source>With the same settings, which can be changed first</source>
        <translation>同じ設定で学習します。始める前に変更できます</translation>
    </message>
    <message>
        <source>Results</source>
        <translation>結果</translation>
    </message>
    <message>
        <source>Curves and log</source>
        <translation>曲線とログ</translation>
    </message>
</context>
<context>
    <name>SampleStrip</name>
    <message>
        <source>Predictions on validation images</source>
        <translation>検証画像での予測</translation>
    </message>
    <message>
        <source>Prediction {number}</source>
        <translation>予測 {number}</translation>
    </message>
    <message>
        <source>Show it large</source>
        <translation>大きく表示</translation>
    </message>
</context>
<context>
    <name>SampleView</name>
    <message>
        <source>no object</source>
        <translation>物体なし</translation>
    </message>
    <message>
        <source>no defect</source>
        <translation>欠陥なし</translation>
    </message>
    <message>
        <source>hottest {value}</source>
        <translation>最高 {value}</translation>
    </message>
    <message>
        <source>Images with their labels</source>
        <translation>ラベル付きの画像</translation>
    </message>
    <message>
        <source>{first} to {last} of {total}</source>
        <translation>{total} 枚中 {first}〜{last}</translation>
    </message>
    <message>
        <source>Previous images</source>
        <translation>前の画像</translation>
    </message>
    <message>
        <source>Next images</source>
        <translation>次の画像</translation>
    </message>
    <message>
        <source>All images</source>
        <translation>すべての画像</translation>
    </message>
    <message>
        <source>Image with its labels</source>
        <translation>ラベル付きの画像</translation>
    </message>
</context>
<context>
    <name>SaveButton</name>
    <message>
        <source>Pictures (*.png)</source>
        <translation>画像 (*.png)</translation>
    </message>
    <message>
        <source>Pages (*.html)</source>
        <translation>ページ (*.html)</translation>
    </message>
    <message>
        <source>Tables (*.csv)</source>
        <translation>表 (*.csv)</translation>
    </message>
    <message>
        <source>Save the picture</source>
        <translation>画像を保存</translation>
    </message>
    <message>
        <source>Save the numbers</source>
        <translation>数値を保存</translation>
    </message>
    <message>
        <source>Save the numbers along the line</source>
        <translation>線に沿った数値を保存</translation>
    </message>
    <message>
        <source>Save the numbers over time</source>
        <translation>数値の推移を保存</translation>
    </message>
    <message>
        <source>Save a report page</source>
        <translation>レポートを保存</translation>
    </message>
    <message>
        <source>Save</source>
        <translation>保存</translation>
    </message>
</context>
<context>
    <name>ScaleSheet</name>
    <message>
        <source>Camera or program</source>
        <translation>カメラまたはソフト</translation>
    </message>
    <message>
        <source>Point, °C</source>
        <translation>点、°C</translation>
    </message>
    <message>
        <source>Frame, °C</source>
        <translation>フレーム、°C</translation>
    </message>
    <message>
        <source>Off by</source>
        <translation>差</translation>
    </message>
    <message>
        <source>Choose what wrote the values, or give unit, factor and offset as its manual says. Hikvision and HIKMICRO: the camera sends factor and offset with each picture (jpegPicWithAppendData).</source>
        <translation>値を書いたカメラやソフトを選ぶか、取扱説明書にある単位、倍率、オフセットを入力します。Hikvision と HIKMICRO は、倍率とオフセットを画像ごとに送ります (jpegPicWithAppendData)。</translation>
    </message>
    <message>
        <source>Source: {text}</source>
        <translation>出典: {text}</translation>
    </message>
    <message>
        <source>Found by users of these cameras, not published by their makers: check it at a known point.</source>
        <translation>メーカーの公表値ではなく、利用者が調べた値です。温度が分かっている点で確かめてください。</translation>
    </message>
    <message>
        <source>This source gives no grey values of 16 bits, so it needs no scale.</source>
        <translation>この入力元は 16 ビットの濃淡値ではないため、換算は不要です。</translation>
    </message>
    <message>
        <source>Press a point whose temperature you know.</source>
        <translation>温度が分かっている点を押してください。</translation>
    </message>
    <message>
        <source>So the values would be {low:.0f} to {high:.0f} °C, which are no temperatures of a scene.</source>
        <translation>この換算では {low:.0f} ～ {high:.0f} °C になり、被写体の温度としてあり得ません。</translation>
    </message>
    <message>
        <source>{formula}: the point is {point:.1f} °C, the frame {low:.1f} to {high:.1f} °C.</source>
        <translation>{formula}: 点は {point:.1f} °C、フレームは {low:.1f} ～ {high:.1f} °C です。</translation>
    </message>
    <message>
        <source>What the values are in degrees</source>
        <translation>値を温度に換算する</translation>
    </message>
    <message>
        <source>Press a point in the picture whose temperature you know, and choose the line that gives it. Pixels alone do not tell.</source>
        <translation>温度が分かっている点を画像上で押し、その温度になる行を選びます。画素の値だけでは判別できません。</translation>
    </message>
    <message>
        <source>A thermometer says there, °C</source>
        <translation>その点の温度計の値、°C</translation>
    </message>
    <message>
        <source>less</source>
        <translation>減らす</translation>
    </message>
    <message>
        <source>more</source>
        <translation>増やす</translation>
    </message>
    <message>
        <source>Scales of common cameras</source>
        <translation>主なカメラの換算式</translation>
    </message>
    <message>
        <source>Unit</source>
        <translation>単位</translation>
    </message>
    <message>
        <source>Factor</source>
        <translation>倍率</translation>
    </message>
    <message>
        <source>Offset</source>
        <translation>オフセット</translation>
    </message>
    <message>
        <source>Kelvin</source>
        <translation>ケルビン</translation>
    </message>
    <message>
        <source>Degrees Celsius</source>
        <translation>摂氏</translation>
    </message>
    <message>
        <source>Degrees Fahrenheit</source>
        <translation>華氏</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>キャンセル</translation>
    </message>
    <message>
        <source>Next frame</source>
        <translation>次のフレーム</translation>
    </message>
    <message>
        <source>Use it</source>
        <translation>これを使う</translation>
    </message>
    <message>
        <source>No frame yet</source>
        <translation>フレームがまだありません</translation>
    </message>
    <message>
        <source>The source is being opened.</source>
        <translation>入力元を開いています。</translation>
    </message>
</context>
<context>
    <name>ScoreBars</name>
    <message>
        <source>Class</source>
        <translation>クラス</translation>
    </message>
    <message>
        <source>Score</source>
        <translation>スコア</translation>
    </message>
</context>
<context>
    <name>SegmentationTab</name>
    <message>
        <source>This recipe has no bundle that marks areas.</source>
        <translation>このレシピには、領域を検出するバンドルがありません。</translation>
    </message>
    <message>
        <source>Opacity</source>
        <translation>不透明度</translation>
    </message>
    <message>
        <source>Outline and label areas</source>
        <translation>領域に輪郭とラベルを付ける</translation>
    </message>
    <message>
        <source>Areas</source>
        <translation>領域</translation>
    </message>
    <message>
        <source>Class</source>
        <translation>クラス</translation>
    </message>
    <message>
        <source>Count</source>
        <translation>個数</translation>
    </message>
    <message>
        <source>px</source>
        <translation>px</translation>
    </message>
    <message>
        <source>mm²</source>
        <translation>mm²</translation>
    </message>
</context>
<context>
    <name>ServerForm</name>
    <message>
        <source>Asking the server…</source>
        <translation>サーバーに問い合わせています…</translation>
    </message>
    <message>
        <source>PostgreSQL {version} answers. There is no archive on it yet; it is made at the next start.</source>
        <translation>PostgreSQL {version} が応答しました。アーカイブはまだありません。次の開始時に作成されます。</translation>
    </message>
    <message>
        <source>PostgreSQL {version} answers. Its archive holds {count} inspections.</source>
        <translation>PostgreSQL {version} が応答しました。アーカイブには {count} 件の検査があります。</translation>
    </message>
    <message>
        <source>Saved. The line feeds this server from its next start; what waits in the journal is fed as well.</source>
        <translation>保存しました。ラインは次の開始からこのサーバーへ送ります。ジャーナルで待っている分も送られます。</translation>
    </message>
    <message>
        <source>No server any more. The archive is on this computer alone from the next start of the line.</source>
        <translation>サーバーは使いません。ラインの次の開始から、アーカイブはこのコンピューターだけにあります。</translation>
    </message>
    <message>
        <source>Server of the archive</source>
        <translation>アーカイブのサーバー</translation>
    </message>
    <message>
        <source>A PostgreSQL server of the plant that holds the archive of several stations. Without one the archive is on this computer. A server that is away stops no line: records wait on this computer.</source>
        <translation>複数のステーションのアーカイブを保持する工場の PostgreSQL サーバーです。なければアーカイブはこのコンピューターにあります。サーバーに接続できなくてもラインは止まらず、記録はこのコンピューターで待ちます。</translation>
    </message>
    <message>
        <source>Server and database</source>
        <translation>サーバーとデータベース</translation>
    </message>
    <message>
        <source>User</source>
        <translation>ユーザー</translation>
    </message>
    <message>
        <source>Password</source>
        <translation>パスワード</translation>
    </message>
    <message>
        <source>unchanged</source>
        <translation>変更なし</translation>
    </message>
    <message>
        <source>Only over an encrypted connection</source>
        <translation>暗号化された接続だけを使う</translation>
    </message>
    <message>
        <source>Test</source>
        <translation>テスト</translation>
    </message>
    <message>
        <source>Save</source>
        <translation>保存</translation>
    </message>
    <message>
        <source>Use no server</source>
        <translation>サーバーを使わない</translation>
    </message>
    <message>
        <source>Test the server</source>
        <translation>サーバーをテスト</translation>
    </message>
</context>
<context>
    <name>SettingRow</name>
    <message>
        <source>{name}, changed</source>
        <translation>{name}(変更済み)</translation>
    </message>
    <message>
        <source>Recommended: {value}</source>
        <translation>推奨: {value}</translation>
    </message>
    <message>
        <source>Default: {value}</source>
        <translation>既定: {value}</translation>
    </message>
    <message>
        <source>empty</source>
        <translation>空</translation>
    </message>
    <message>
        <source>on</source>
        <translation>オン</translation>
    </message>
    <message>
        <source>off</source>
        <translation>オフ</translation>
    </message>
    <message>
        <source>(from {low})</source>
        <translation>({low} 以上)</translation>
    </message>
    <message>
        <source>({low} to {high})</source>
        <translation>({low}〜{high})</translation>
    </message>
    <message>
        <source>Back to the default: {name}</source>
        <translation>既定に戻す: {name}</translation>
    </message>
</context>
<context>
    <name>SettingsPage</name>
    <message>
        <source>As this computer</source>
        <translation>パソコンの設定に合わせる</translation>
    </message>
    <message>
        <source>Choose a folder…</source>
        <translation>フォルダーを選ぶ…</translation>
    </message>
    <message>
        <source>Colours</source>
        <translation>配色</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>ダーク</translation>
    </message>
    <message>
        <source>Degrees Celsius (°C)</source>
        <translation>摂氏 (°C)</translation>
    </message>
    <message>
        <source>Archive</source>
        <translation>アーカイブ</translation>
    </message>
    <message>
        <source>Every part is recorded before its verdict is told. Images of NG and REVIEW parts are kept.</source>
        <translation>すべての部品を、判定を伝える前に記録します。NG と REVIEW の部品の画像を保存します。</translation>
    </message>
    <message>
        <source>Every start makes a folder in it with the records, the pictures and a report of the run.</source>
        <translation>開始のたびに、この中に記録・画像・レポートのフォルダーを作ります。</translation>
    </message>
    <message>
        <source>How temperatures are shown. Recipes and records keep their own unit.</source>
        <translation>温度の表示単位です。レシピや記録の単位は変わりません。</translation>
    </message>
    <message>
        <source>Kelvin (K)</source>
        <translation>ケルビン (K)</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>言語</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>ライト</translation>
    </message>
    <message>
        <source>Light for a bright hall, dark for a dim booth. Verdict colours stay the same.</source>
        <translation>明るい工場ではライト、暗い検査室ではダークが見やすくなります。判定の色は変わりません。</translation>
    </message>
    <message>
        <source>Nowhere</source>
        <translation>保存しない</translation>
    </message>
    <message>
        <source>Recipe at the start</source>
        <translation>起動時のレシピ</translation>
    </message>
    <message>
        <source>Record every part</source>
        <translation>すべての部品を記録する</translation>
    </message>
    <message>
        <source>Record nothing</source>
        <translation>記録しない</translation>
    </message>
    <message>
        <source>Save what is inspected</source>
        <translation>検査結果の保存</translation>
    </message>
    <message>
        <source>Temperature unit</source>
        <translation>温度の単位</translation>
    </message>
    <message>
        <source>The language of the window. It changes at once; the line goes on.</source>
        <translation>画面の言語です。すぐに切り替わり、検査は続きます。</translation>
    </message>
    <message>
        <source>The recipe the window opens with, so that Start is the only key to press.</source>
        <translation>起動時に開くレシピです。「開始」を押すだけで検査できます。</translation>
    </message>
    <message>
        <source>What was open last</source>
        <translation>前回開いていたもの</translation>
    </message>
    <message>
        <source>Folder to save in</source>
        <translation>保存先のフォルダー</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>設定</translation>
    </message>
    <message>
        <source>The line that runs was started otherwise, and goes on so. This holds from its next start.</source>
        <translation>動作中のラインは別の設定で開始されており、そのまま続きます。この設定は次の開始から有効です。</translation>
    </message>
    <message>
        <source>Default: {value}</source>
        <translation>初期値：{value}</translation>
    </message>
</context>
<context>
    <name>ShedNotice</name>
    <message>
        <source>no heat maps</source>
        <translation>ヒートマップなし</translation>
    </message>
    <message>
        <source>no heat maps, no marks</source>
        <translation>ヒートマップと検出表示なし</translation>
    </message>
    <message>
        <source>no heat maps, no marks, fewer pictures</source>
        <translation>ヒートマップと検出表示なし、画像は間引き</translation>
    </message>
    <message>
        <source>Display reduced: the line needs the processor ({left_out})</source>
        <translation>表示を減らしています：ラインがプロセッサを必要としています（{left_out}）</translation>
    </message>
</context>
<context>
    <name>ShiftChange</name>
    <message>
        <source>{count} {count:|part was|parts were} counted. {since}. {count:|Its record and picture|Their records and pictures} stay.</source>
        <translation>{count} 個を数えました（{since}）。記録と画像は残ります。</translation>
    </message>
    <message>
        <source>Begin a new shift or lot?</source>
        <translation>新しい直・ロットを始めますか？</translation>
    </message>
    <message>
        <source>Count from 0</source>
        <translation>0 から数える</translation>
    </message>
    <message>
        <source>Go on counting</source>
        <translation>このまま数える</translation>
    </message>
    <message>
        <source>Lot, if there is one; it is recorded with every part</source>
        <translation>ロット（あれば）。すべての部品の記録に残ります</translation>
    </message>
</context>
<context>
    <name>Shortcuts</name>
    <message>
        <source>Back to live</source>
        <translation>ライブに戻る</translation>
    </message>
    <message>
        <source>First, last part</source>
        <translation>最初 / 最後の部品</translation>
    </message>
    <message>
        <source>Help for this page</source>
        <translation>このページのヘルプ</translation>
    </message>
    <message>
        <source>Hold the next newer NG part</source>
        <translation>一つ新しい NG 部品を固定表示</translation>
    </message>
    <message>
        <source>Hold the next older NG part</source>
        <translation>一つ古い NG 部品を固定表示</translation>
    </message>
    <message>
        <source>Inspect one part now</source>
        <translation>今すぐ 1 個だけ検査</translation>
    </message>
    <message>
        <source>Inspect page</source>
        <translation>検査ページ</translation>
    </message>
    <message>
        <source>Move the view</source>
        <translation>表示位置を移動</translation>
    </message>
    <message>
        <source>Next view</source>
        <translation>次の表示</translation>
    </message>
    <message>
        <source>Next, previous NG part</source>
        <translation>次 / 前の NG 部品</translation>
    </message>
    <message>
        <source>One pixel of the frame on one of the screen</source>
        <translation>等倍表示（フレーム 1 画素を画面 1 画素に）</translation>
    </message>
    <message>
        <source>Open a recipe</source>
        <translation>レシピを開く</translation>
    </message>
    <message>
        <source>Archive page</source>
        <translation>アーカイブのページ</translation>
    </message>
    <message>
        <source>Leave the held part or the help; held: the full screen</source>
        <translation>固定した部品やヘルプを閉じる。長押しで全画面を終了</translation>
    </message>
    <message>
        <source>Open the part, back to the gallery</source>
        <translation>部品を開く、一覧に戻る</translation>
    </message>
    <message>
        <source>Operator view on the full screen; held: leave it</source>
        <translation>オペレーター画面を全画面で表示。長押しで終了</translation>
    </message>
    <message>
        <source>Pick the part, or not</source>
        <translation>部品を選ぶ、選択を外す</translation>
    </message>
    <message>
        <source>Play and pause</source>
        <translation>再生と一時停止</translation>
    </message>
    <message>
        <source>Previous view</source>
        <translation>前の表示</translation>
    </message>
    <message>
        <source>Previous, next part</source>
        <translation>前 / 次の部品</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>終了</translation>
    </message>
    <message>
        <source>Recipes page</source>
        <translation>レシピページ</translation>
    </message>
    <message>
        <source>Review a folder of images</source>
        <translation>画像フォルダーをレビュー</translation>
    </message>
    <message>
        <source>Review a video</source>
        <translation>動画をレビュー</translation>
    </message>
    <message>
        <source>Review an image</source>
        <translation>画像をレビュー</translation>
    </message>
    <message>
        <source>Review page</source>
        <translation>レビューページ</translation>
    </message>
    <message>
        <source>Settings page</source>
        <translation>設定ページ</translation>
    </message>
    <message>
        <source>Start inspecting</source>
        <translation>検査を開始</translation>
    </message>
    <message>
        <source>Stop inspecting</source>
        <translation>検査を停止</translation>
    </message>
    <message>
        <source>The machine is right, wrong; undo</source>
        <translation>機械は正しい、誤り、元に戻す</translation>
    </message>
    <message>
        <source>The part beside, above, below</source>
        <translation>隣、上、下の部品</translation>
    </message>
    <message>
        <source>The whole frame</source>
        <translation>フレーム全体を表示</translation>
    </message>
    <message>
        <source>Train page</source>
        <translation>学習ページ</translation>
    </message>
    <message>
        <source>Zoom in, zoom out</source>
        <translation>拡大 / 縮小</translation>
    </message>
</context>
<context>
    <name>Situation</name>
    <message>
        <source>Starting</source>
        <translation>開始しています</translation>
    </message>
    <message>
        <source>STARTING</source>
        <translation>準備中</translation>
    </message>
    <message>
        <source>The bundles are being prepared for this computer.</source>
        <translation>このパソコン用にバンドルを準備しています。</translation>
    </message>
    <message>
        <source>STOPPING</source>
        <translation>停止中</translation>
    </message>
    <message>
        <source>The line is not being inspected</source>
        <translation>検査は停止しています</translation>
    </message>
    <message>
        <source>NO RECIPE</source>
        <translation>レシピなし</translation>
    </message>
    <message>
        <source>Open a recipe to begin.</source>
        <translation>レシピを開いてください。</translation>
    </message>
    <message>
        <source>FINISHED</source>
        <translation>完了</translation>
    </message>
    <message>
        <source>The source has no more frames.</source>
        <translation>入力元のフレームはこれですべてです。</translation>
    </message>
    <message>
        <source>STOPPED</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Press Start to inspect.</source>
        <translation>「開始」を押すと検査を始めます。</translation>
    </message>
    <message>
        <source>No picture from {cameras}</source>
        <translation>{cameras} の画像がありません</translation>
    </message>
    <message>
        <source>WAITING</source>
        <translation>待機中</translation>
    </message>
    <message>
        <source>Press Trigger to inspect one part.</source>
        <translation>「トリガー」を押すと 1 個検査します。</translation>
    </message>
    <message>
        <source>Waiting for the next part.</source>
        <translation>次の部品を待っています。</translation>
    </message>
    <message>
        <source>Waiting</source>
        <translation>待機中</translation>
    </message>
</context>
<context>
    <name>SourceChooser</name>
    <message>
        <source>Choose a folder of images</source>
        <translation>画像フォルダーを選択</translation>
    </message>
    <message>
        <source>Videos ({patterns})</source>
        <translation>動画 ({patterns})</translation>
    </message>
    <message>
        <source>Choose a video</source>
        <translation>動画を選択</translation>
    </message>
    <message>
        <source>As the recipe says</source>
        <translation>レシピのとおり</translation>
    </message>
    <message>
        <source>Source</source>
        <translation>入力元</translation>
    </message>
    <message>
        <source>Where frames come from. usb:0, rtsp://… and http://… can be typed; Enter or Start takes them.</source>
        <translation>画像の取得元です。usb:0、rtsp://…、http://… を入力できます。Enter または「開始」で確定します。</translation>
    </message>
</context>
<context>
    <name>SourceSheet</name>
    <message>
        <source>Choose a folder of images</source>
        <translation>画像フォルダーを選ぶ</translation>
    </message>
    <message>
        <source>Choose a video</source>
        <translation>動画を選ぶ</translation>
    </message>
    <message>
        <source>Videos ({patterns})</source>
        <translation>動画 ({patterns})</translation>
    </message>
    <message>
        <source>Opening {source}…</source>
        <translation>{source} を開いています…</translation>
    </message>
    <message>
        <source>It gives frames of {width} × {height} px.</source>
        <translation>{width} × {height} px のフレームが得られました。</translation>
    </message>
    <message>
        <source>Where the frames come from</source>
        <translation>フレームの入力元</translation>
    </message>
    <message>
        <source>The computer lists no camera. Plug one in, and open this again.</source>
        <translation>カメラが見つかりません。接続してから、もう一度開いてください。</translation>
    </message>
    <message>
        <source>Address</source>
        <translation>アドレス</translation>
    </message>
    <message>
        <source>User</source>
        <translation>ユーザー名</translation>
    </message>
    <message>
        <source>Password</source>
        <translation>パスワード</translation>
    </message>
    <message>
        <source>as before</source>
        <translation>変更なし</translation>
    </message>
    <message>
        <source>Folder</source>
        <translation>フォルダー</translation>
    </message>
    <message>
        <source>Video</source>
        <translation>動画</translation>
    </message>
    <message>
        <source>Browse…</source>
        <translation>参照…</translation>
    </message>
    <message>
        <source>Plate and window</source>
        <translation>プレートとのぞき窓</translation>
    </message>
    <message>
        <source>Pump set (thermal)</source>
        <translation>ポンプ（サーマル）</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>キャンセル</translation>
    </message>
    <message>
        <source>Test</source>
        <translation>テスト</translation>
    </message>
    <message>
        <source>Use it</source>
        <translation>使う</translation>
    </message>
    <message>
        <source>Nothing to show yet</source>
        <translation>まだ表示するものがありません</translation>
    </message>
    <message>
        <source>Press Test.</source>
        <translation>テストを押してください。</translation>
    </message>
</context>
<context>
    <name>SplitView</name>
    <message>
        <source>Training</source>
        <translation>学習</translation>
    </message>
    <message>
        <source>Validation</source>
        <translation>検証</translation>
    </message>
    <message>
        <source>Test</source>
        <translation>テスト</translation>
    </message>
    <message>
        <source>Images</source>
        <translation>画像</translation>
    </message>
    <message>
        <source>Groups</source>
        <translation>グループ</translation>
    </message>
    <message>
        <source>{name} is of {group}</source>
        <translation>{name} は {group} に属します</translation>
    </message>
    <message>
        <source>Images of one part or lot stay together, so that the test shows only what training has never seen.</source>
        <translation>同じ部品やロットの画像は分けません。テストには学習で見ていない画像だけが入ります。</translation>
    </message>
    <message>
        <source>Split</source>
        <translation>分割</translation>
    </message>
</context>
<context>
    <name>Stages</name>
    <message>
        <source>Archive</source>
        <translation>保管</translation>
    </message>
    <message>
        <source>Decode</source>
        <translation>復号</translation>
    </message>
    <message>
        <source>Display</source>
        <translation>表示</translation>
    </message>
    <message>
        <source>Grab</source>
        <translation>取込</translation>
    </message>
    <message>
        <source>Infer</source>
        <translation>推論</translation>
    </message>
    <message>
        <source>Inspection</source>
        <translation>検査全体</translation>
    </message>
    <message>
        <source>Line</source>
        <translation>ライン出力</translation>
    </message>
    <message>
        <source>Prepare</source>
        <translation>前処理</translation>
    </message>
    <message>
        <source>Save</source>
        <translation>保存</translation>
    </message>
    <message>
        <source>Verdict</source>
        <translation>判定</translation>
    </message>
    <message>
        <source>Wait</source>
        <translation>待ち</translation>
    </message>
</context>
<context>
    <name>StartPage</name>
    <message>
        <source>Data</source>
        <translation>データ</translation>
    </message>
    <message>
        <source>{count} {count:|image|images}</source>
        <translation>{count} 枚</translation>
    </message>
    <message>
        <source>What is learnt</source>
        <translation>学習する内容</translation>
    </message>
    <message>
        <source>Network</source>
        <translation>ネットワーク</translation>
    </message>
    <message>
        <source>Epochs</source>
        <translation>エポック数</translation>
    </message>
    <message>
        <source>Good parts</source>
        <translation>良品</translation>
    </message>
    <message>
        <source>none: every part will be NG</source>
        <translation>なし: すべての部品が NG になります</translation>
    </message>
    <message>
        <source>Changed</source>
        <translation>変更点</translation>
    </message>
    <message>
        <source>Estimated time</source>
        <translation>予想時間</translation>
    </message>
    <message>
        <source>Start</source>
        <translation>開始</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>名前</translation>
    </message>
    <message>
        <source>Name of the bundle</source>
        <translation>バンドルの名前</translation>
    </message>
    <message>
        <source>Before it can start</source>
        <translation>開始する前に</translation>
    </message>
</context>
<context>
    <name>StatusLine</name>
    <message>
        <source>Cameras: {value} frames/s</source>
        <translation>カメラ：{value} フレーム/秒</translation>
    </message>
    <message>
        <source>Verdicts: {value}/s</source>
        <translation>判定：{value} 個/秒</translation>
    </message>
    <message>
        <source>Latency p50 / p99: {value}</source>
        <translation>遅延 p50 / p99：{value}</translation>
    </message>
    <message>
        <source>Waiting: {value}</source>
        <translation>待ち：{value}</translation>
    </message>
    <message>
        <source>Dropped: {value}</source>
        <translation>欠落：{value}</translation>
    </message>
    <message>
        <source>Figures of the line</source>
        <translation>ラインの数値</translation>
    </message>
    <message>
        <source>Frames a second that each camera delivers</source>
        <translation>各カメラの 1 秒あたりのフレーム数</translation>
    </message>
    <message>
        <source>Verdicts a second</source>
        <translation>1 秒あたりの判定数</translation>
    </message>
    <message>
        <source>From grabbing a frame to its verdict: half of the parts, 99 of 100 parts</source>
        <translation>撮影から判定までの時間：部品の半数、および 100 個中 99 個がこの時間以内</translation>
    </message>
    <message>
        <source>Frames that wait between the stages</source>
        <translation>処理の各段で待っているフレーム数</translation>
    </message>
    <message>
        <source>Frames left out because the line was faster than the inspection</source>
        <translation>ラインが検査より速く、検査されなかったフレーム数</translation>
    </message>
</context>
<context>
    <name>TaktMeter</name>
    <message>
        <source>No takt</source>
        <translation>タクト不明</translation>
    </message>
    <message>
        <source>Takt not known</source>
        <translation>タクト未測定</translation>
    </message>
    <message>
        <source>Late {count}</source>
        <translation>遅れ {count}</translation>
    </message>
    <message>
        <source>Takt {takt} ms</source>
        <translation>タクト {takt} ms</translation>
    </message>
    <message>
        <source>Takt {share} % free</source>
        <translation>タクト余裕 {share} %</translation>
    </message>
    <message>
        <source>Takt {share} % over</source>
        <translation>タクト超過 {share} %</translation>
    </message>
    <message>
        <source>No takt: the source waits for the inspection</source>
        <translation>タクトなし：入力元が検査を待っています</translation>
    </message>
    <message>
        <source>The takt is not known yet</source>
        <translation>タクトはまだ分かりません</translation>
    </message>
    <message>
        <source>Takt {takt} ms, from the recipe</source>
        <translation>タクト {takt} ms（レシピの値）</translation>
    </message>
    <message>
        <source>Takt {takt} ms, measured from triggers</source>
        <translation>タクト {takt} ms（トリガー間隔の実測）</translation>
    </message>
    <message>
        <source>Takt {takt} ms, measured from arrivals</source>
        <translation>タクト {takt} ms（到着間隔の実測）</translation>
    </message>
    <message>
        <source>Head-room {room} ms ({share} %)</source>
        <translation>余裕 {room} ms（{share} %）</translation>
    </message>
    <message>
        <source>{room} ms too slow ({share} %)</source>
        <translation>{room} ms 遅い（{share} %）</translation>
    </message>
    <message>
        <source>Late parts: {count}</source>
        <translation>遅れた部品：{count}</translation>
    </message>
    <message>
        <source>Takt</source>
        <translation>タクト</translation>
    </message>
    <message>
        <source>Stages</source>
        <translation>工程別の時間</translation>
    </message>
    <message>
        <source>What each stage takes of the takt</source>
        <translation>各工程がタクトのうち何 ms 使うか</translation>
    </message>
</context>
<context>
    <name>TaktPanel</name>
    <message>
        <source>Stages</source>
        <translation>工程別の時間</translation>
    </message>
    <message>
        <source>Auto-tune</source>
        <translation>自動調整</translation>
    </message>
    <message>
        <source>Measure which engine and precision keep the takt on this computer</source>
        <translation>このコンピューターでタクトを守れるエンジンと演算精度を測定します</translation>
    </message>
    <message>
        <source>Variants</source>
        <translation>バリアント</translation>
    </message>
    <message>
        <source>What a bundle can be run with: export, check and remove</source>
        <translation>バンドルを何で実行できるか：書き出し、確認、削除</translation>
    </message>
    <message>
        <source>Copy the numbers</source>
        <translation>数値をコピー</translation>
    </message>
    <message>
        <source>Copy the numbers as a table</source>
        <translation>数値を表としてコピー</translation>
    </message>
    <message>
        <source>What 99 of 100 parts leave of the takt, by the slowest of what works side by side</source>
        <translation>100 個中 99 個の部品で残るタクトの余裕（並行する処理のうち最も遅いもの）</translation>
    </message>
    <message>
        <source>Parts that took longer than the takt, or had their verdict later than that</source>
        <translation>タクトより長くかかった部品、または判定がタクトより遅れた部品</translation>
    </message>
</context>
<context>
    <name>ThermalTab</name>
    <message>
        <source>Histogram of temperatures</source>
        <translation>温度ヒストグラム</translation>
    </message>
    <message>
        <source>How often each temperature occurs. Drag the band or its ends to set the colours.</source>
        <translation>各温度の出現頻度です。帯またはその両端をドラッグすると、色の範囲を変えられます。</translation>
    </message>
    <message>
        <source>Hot spot</source>
        <translation>ホットスポット</translation>
    </message>
    <message>
        <source>Area px</source>
        <translation>面積 px</translation>
    </message>
    <message>
        <source>Area mm²</source>
        <translation>面積 mm²</translation>
    </message>
    <message>
        <source>Above</source>
        <translation>周囲との差</translation>
    </message>
    <message>
        <source>A frame</source>
        <translation>1 フレーム当たり</translation>
    </message>
    <message>
        <source>No bundle looks at this frame; its temperatures are measured on the whole frame.</source>
        <translation>このフレームを見るバンドルはありません。温度はフレーム全体で測定しています。</translation>
    </message>
    <message>
        <source>This recipe has no thermal camera and no bundle that predicts temperatures.</source>
        <translation>このレシピには、サーマルカメラも温度を予測するバンドルもありません。</translation>
    </message>
    <message>
        <source>Iron</source>
        <translation>アイアン</translation>
    </message>
    <message>
        <source>Rainbow</source>
        <translation>レインボー</translation>
    </message>
    <message>
        <source>Grey</source>
        <translation>グレー</translation>
    </message>
    <message>
        <source>Inferno</source>
        <translation>インフェルノ</translation>
    </message>
    <message>
        <source>Viridis</source>
        <translation>ビリディス</translation>
    </message>
    <message>
        <source>Palette</source>
        <translation>パレット</translation>
    </message>
    <message>
        <source>Automatic range</source>
        <translation>範囲を自動で決める</translation>
    </message>
    <message>
        <source>Equalised colours</source>
        <translation>均等化した色</translation>
    </message>
    <message>
        <source>Locked range</source>
        <translation>固定した範囲</translation>
    </message>
    <message>
        <source>Range of the colours</source>
        <translation>色の範囲</translation>
    </message>
    <message>
        <source>Automatic: the same for every frame, up to the recipe&apos;s limits, or all that was seen. Equalised: every colour is as frequent as the others. Locked: as set, to compare pictures.</source>
        <translation>自動：すべてのフレームで同じ範囲。レシピの限界値まで、またはこれまでに見た全範囲です。均等化：どの色も同じ頻度で現れます。固定：画像を比べるため、設定したままにします。</translation>
    </message>
    <message>
        <source>Grey values in degrees…</source>
        <translation>濃淡値を温度に換算…</translation>
    </message>
    <message>
        <source>Align with the visible camera…</source>
        <translation>可視カメラとの位置合わせ…</translation>
    </message>
    <message>
        <source>predicted, not measured</source>
        <translation>予測値（測定値ではありません）</translation>
    </message>
    <message>
        <source>File</source>
        <translation>ファイル</translation>
    </message>
    <message>
        <source>Time</source>
        <translation>時刻</translation>
    </message>
    <message>
        <source>Temperatures are predicted, not measured.</source>
        <translation>温度は予測値であり、測定値ではありません。</translation>
    </message>
    <message>
        <source>Differences to the reference, in kelvin.</source>
        <translation>基準画像との差（K）。</translation>
    </message>
    <message>
        <source>Thermal picture</source>
        <translation>サーマル画像</translation>
    </message>
    <message>
        <source>less</source>
        <translation>減らす</translation>
    </message>
    <message>
        <source>more</source>
        <translation>増やす</translation>
    </message>
    <message>
        <source>Lowest temperature shown</source>
        <translation>表示する最低温度</translation>
    </message>
    <message>
        <source>Highest temperature shown</source>
        <translation>表示する最高温度</translation>
    </message>
    <message>
        <source>Lowest shown</source>
        <translation>表示下限</translation>
    </message>
    <message>
        <source>Highest shown</source>
        <translation>表示上限</translation>
    </message>
    <message>
        <source>Hot spots</source>
        <translation>ホットスポット</translation>
    </message>
    <message>
        <source>Palette, unit and range</source>
        <translation>パレット・単位・範囲</translation>
    </message>
    <message>
        <source>The whole picture</source>
        <translation>画像全体</translation>
    </message>
    <message>
        <source>Under the cursor</source>
        <translation>カーソル位置</translation>
    </message>
    <message>
        <source>Highest</source>
        <translation>最高</translation>
    </message>
    <message>
        <source>Mean</source>
        <translation>平均</translation>
    </message>
    <message>
        <source>Lowest</source>
        <translation>最低</translation>
    </message>
    <message>
        <source>Origin</source>
        <translation>取得方法</translation>
    </message>
    <message>
        <source>Network says</source>
        <translation>ネットワークの予測</translation>
    </message>
    <message>
        <source>measured by the camera</source>
        <translation>カメラで測定</translation>
    </message>
</context>
<context>
    <name>ThresholdTab</name>
    <message>
        <source>Write {threshold:.2f} to the recipe</source>
        <translation>{threshold:.2f} をレシピに書き込む</translation>
    </message>
    <message>
        <source>Write the threshold to the recipe</source>
        <translation>しきい値をレシピに書き込む</translation>
    </message>
    <message>
        <source>Verdict</source>
        <translation>判定</translation>
    </message>
    <message>
        <source>With this threshold</source>
        <translation>このしきい値では</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>しきい値</translation>
    </message>
    <message>
        <source>Back to the recipe&apos;s threshold</source>
        <translation>レシピのしきい値に戻す</translation>
    </message>
</context>
<context>
    <name>ThresholdTrial</name>
    <message>
        <source>None of the {count} inspected parts changes.</source>
        <translation>検査済み {count} 個の判定は変わりません。</translation>
    </message>
    <message>
        <source>{changed} of {count} inspected parts change: {to}</source>
        <translation>検査済み {count} 個のうち {changed} 個が変わります: {to}</translation>
    </message>
</context>
<context>
    <name>Thumb</name>
    <message>
        <source>Empty place for an NG part</source>
        <translation>NG 部品の空き枠</translation>
    </message>
    <message>
        <source>NG part {part}</source>
        <translation>NG 部品 {part}</translation>
    </message>
</context>
<context>
    <name>ToolsPanel</name>
    <message>
        <source>Tool</source>
        <translation>ツール</translation>
    </message>
    <message>
        <source>Highest</source>
        <translation>最高</translation>
    </message>
    <message>
        <source>Mean</source>
        <translation>平均</translation>
    </message>
    <message>
        <source>Lowest</source>
        <translation>最低</translation>
    </message>
    <message>
        <source>Spot</source>
        <translation>点</translation>
    </message>
    <message>
        <source>Line</source>
        <translation>線</translation>
    </message>
    <message>
        <source>Box</source>
        <translation>四角形</translation>
    </message>
    <message>
        <source>Ellipse</source>
        <translation>楕円</translation>
    </message>
    <message>
        <source>Polygon</source>
        <translation>多角形</translation>
    </message>
    <message>
        <source>Deviation</source>
        <translation>標準偏差</translation>
    </message>
    <message>
        <source>Lowest at</source>
        <translation>最低の位置</translation>
    </message>
    <message>
        <source>Highest at</source>
        <translation>最高の位置</translation>
    </message>
    <message>
        <source>Pixels</source>
        <translation>画素数</translation>
    </message>
    <message>
        <source>Emissivity</source>
        <translation>放射率</translation>
    </message>
    <message>
        <source>Draw a spot, line, rectangle, ellipse or polygon with the buttons at the picture.</source>
        <translation>画像の横のボタンで、点・線・四角形・楕円・多角形を描きます。</translation>
    </message>
    <message>
        <source>Choose a tool to see where its values are.</source>
        <translation>ツールを選ぶと、値の位置が表示されます。</translation>
    </message>
    <message>
        <source>No pixel has a temperature here.</source>
        <translation>ここには温度のある画素がありません。</translation>
    </message>
    <message>
        <source>Highest at {x}, {y}</source>
        <translation>最高の位置 {x}, {y}</translation>
    </message>
    <message>
        <source>Lowest at {x}, {y}</source>
        <translation>最低の位置 {x}, {y}</translation>
    </message>
    <message>
        <source>Deviation {value} over {count} px</source>
        <translation>標準偏差 {value}（{count} px）</translation>
    </message>
    <message>
        <source>{value} a minute</source>
        <translation>毎分 {value}</translation>
    </message>
    <message>
        <source>Tools</source>
        <translation>ツール</translation>
    </message>
    <message>
        <source>Own emissivity here</source>
        <translation>ここだけの放射率</translation>
    </message>
    <message>
        <source>Emissivity of the chosen tool</source>
        <translation>選んだツールの放射率</translation>
    </message>
    <message>
        <source>less</source>
        <translation>減らす</translation>
    </message>
    <message>
        <source>more</source>
        <translation>増やす</translation>
    </message>
</context>
<context>
    <name>Tour</name>
    <message>
        <source>Tour</source>
        <translation>ツアー</translation>
    </message>
    <message>
        <source>The line</source>
        <translation>ライン</translation>
    </message>
    <message>
        <source>Here parts are inspected. What you see now is the demo line: the program draws its parts, and no verdict is of a real one. Start is F5.</source>
        <translation>ここで部品を検査します。今見えているのはデモラインで、部品はプログラムが描いたものです。実物の判定ではありません。開始は F5 です。</translation>
    </message>
    <message>
        <source>Your own pictures</source>
        <translation>自分の画像</translation>
    </message>
    <message>
        <source>Press Folder and open pictures of your own. Nothing judges them yet; the page leads to a training.</source>
        <translation>フォルダーを押して自分の画像を開きます。まだ判定するものはなく、このページから学習に進めます。</translation>
    </message>
    <message>
        <source>Your own bundle</source>
        <translation>自分のバンドル</translation>
    </message>
    <message>
        <source>Quick look trains three minutes on your pictures. Judge my pictures then shows what it has learnt.</source>
        <translation>簡易学習は自分の画像で3分間学習します。「自分の画像を判定」で、学習の成果が分かります。</translation>
    </message>
    <message>
        <source>Your own recipe</source>
        <translation>自分のレシピ</translation>
    </message>
    <message>
        <source>Cameras, regions and limits of a product are set here, with its picture in view. F1 helps anywhere.</source>
        <translation>製品のカメラ、領域、限界値を、画像を見ながらここで設定します。F1 でいつでもヘルプが開きます。</translation>
    </message>
    <message>
        <source>{step} of {count}</source>
        <translation>{step} / {count}</translation>
    </message>
    <message>
        <source>Skip the tour</source>
        <translation>ツアーを省く</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>完了</translation>
    </message>
    <message>
        <source>Next</source>
        <translation>次へ</translation>
    </message>
</context>
<context>
    <name>TrainPage</name>
    <message>
        <source>What {name} has learnt in {epochs} {epochs:|epoch|epochs} is lost. Stopped instead, its best epoch is kept.</source>
        <translation>{name} が {epochs} エポックで学んだ内容は失われます。「終了」なら最良のエポックが残ります。</translation>
    </message>
    <message>
        <source>Cancel training</source>
        <translation>学習を取り消す</translation>
    </message>
    <message>
        <source>Stop and keep the best</source>
        <translation>終了して最良を残す</translation>
    </message>
    <message>
        <source>Let it go on</source>
        <translation>続ける</translation>
    </message>
    <message>
        <source>Cancel this training?</source>
        <translation>この学習を取り消しますか？</translation>
    </message>
    <message>
        <source>Everything in {folder} is deleted, its curves and its bundle too.</source>
        <translation>{folder} の中身を、曲線とバンドルも含めてすべて削除します。</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>削除</translation>
    </message>
    <message>
        <source>Keep it</source>
        <translation>残す</translation>
    </message>
    <message>
        <source>Remove {name}?</source>
        <translation>{name} を削除しますか？</translation>
    </message>
    <message>
        <source>Train</source>
        <translation>学習</translation>
    </message>
    <message>
        <source>Trainings</source>
        <translation>学習の一覧</translation>
    </message>
    <message>
        <source>New training</source>
        <translation>新しい学習</translation>
    </message>
    <message>
        <source>Compare</source>
        <translation>比較</translation>
    </message>
    <message>
        <source>Compare trainings</source>
        <translation>学習を比較</translation>
    </message>
    <message>
        <source>Choose those that are to stand side by side</source>
        <translation>並べて比べる学習を選びます</translation>
    </message>
</context>
<context>
    <name>TrainingDialog</name>
    <message>
        <source>The name needs a letter or a digit.</source>
        <translation>名前には文字か数字が必要です。</translation>
    </message>
    <message>
        <source>There is a run of this name already.</source>
        <translation>同じ名前の学習が既にあります。</translation>
    </message>
    <message>
        <source>Say which classes show good parts.</source>
        <translation>良品のクラスを指定してください。</translation>
    </message>
    <message>
        <source>Working out what suits this data…</source>
        <translation>このデータに合うものを調べています…</translation>
    </message>
    <message>
        <source>Checking whether it can start…</source>
        <translation>開始できるか確認しています…</translation>
    </message>
    <message>
        <source>{count} settings are wrong; they are marked.</source>
        <translation>{count} 件の設定に誤りがあります。印を付けました。</translation>
    </message>
    <message>
        <source>New training</source>
        <translation>新しい学習</translation>
    </message>
    <message>
        <source>1  Data</source>
        <translation>1  データ</translation>
    </message>
    <message>
        <source>2  Network</source>
        <translation>2  ネットワーク</translation>
    </message>
    <message>
        <source>3  Advanced</source>
        <translation>3  詳細</translation>
    </message>
    <message>
        <source>4  Start</source>
        <translation>4  開始</translation>
    </message>
    <message>
        <source>Add to queue</source>
        <translation>待ち行列に追加</translation>
    </message>
    <message>
        <source>Start training</source>
        <translation>学習を開始</translation>
    </message>
    <message>
        <source>Next</source>
        <translation>次へ</translation>
    </message>
    <message>
        <source>Quick look (3 min)</source>
        <translation>簡易学習（3分）</translation>
    </message>
    <message>
        <source>Trains for three minutes with what is recommended: enough to see whether it can work</source>
        <translation>推奨設定で3分間学習し、見込みがあるかを確かめます</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>キャンセル</translation>
    </message>
    <message>
        <source>Back</source>
        <translation>戻る</translation>
    </message>
</context>
<context>
    <name>TunePanel</name>
    <message>
        <source>Auto-tune: {recipe}</source>
        <translation>自動調整：{recipe}</translation>
    </message>
    <message>
        <source>Exporting: {what}</source>
        <translation>書き出し中：{what}</translation>
    </message>
    <message>
        <source>Measuring each variant: {what}</source>
        <translation>各バリアントを測定中：{what}</translation>
    </message>
    <message>
        <source>Measuring whole parts</source>
        <translation>部品全体を測定中</translation>
    </message>
    <message>
        <source>Confirming on whole parts: {what}</source>
        <translation>部品全体で確認中：{what}</translation>
    </message>
    <message>
        <source>Measuring what would be needed: {what}</source>
        <translation>必要な条件を測定中：{what}</translation>
    </message>
    <message>
        <source>Starting</source>
        <translation>開始しています</translation>
    </message>
    <message>
        <source>Exported now, for so many bundles: {variants}</source>
        <translation>今回書き出したもの（かっこ内はバンドル数）：{variants}</translation>
    </message>
    <message>
        <source>Not exported, or not on this computer: {variants}</source>
        <translation>未エクスポート、またはこのコンピューターにないもの：{variants}</translation>
    </message>
    <message>
        <source>Stop the line first: measuring and inspecting would slow each other.</source>
        <translation>先にラインを停止してください。測定と検査が互いに遅くなります。</translation>
    </message>
    <message>
        <source>A training runs: measured beside it, everything would be too slow. Wait for it, or pause it.</source>
        <translation>学習が実行中です。同時に測定すると、どれも実際より遅くなります。終わるのを待つか、学習を一時停止してください。</translation>
    </message>
    <message>
        <source>Cancelled; nothing was changed.</source>
        <translation>中止しました。何も変更していません。</translation>
    </message>
    <message>
        <source>Exports what is missing, which takes some minutes the first time, then measures every engine, precision, batch and number of threads on this computer with the recipe&apos;s own bundles, for about three minutes. What does not judge like the trained network is refused. The cheapest that keeps the takt judges from the next start on.</source>
        <translation>足りないバリアントを書き出してから（初回は数分かかります）、すべてのエンジン、演算精度、バッチ、スレッド数をこのコンピューターとこのレシピのバンドルで約 3 分かけて測定します。学習済みネットワークと同じように判定しないものは使いません。タクトを守る最も軽いものが、次の開始から判定します。</translation>
    </message>
    <message>
        <source>Variants</source>
        <translation>バリアント</translation>
    </message>
    <message>
        <source>Threads</source>
        <translation>スレッド</translation>
    </message>
    <message>
        <source>p50 ms</source>
        <translation>p50 ms</translation>
    </message>
    <message>
        <source>p99 ms</source>
        <translation>p99 ms</translation>
    </message>
    <message>
        <source>CPU ms</source>
        <translation>CPU ms</translation>
    </message>
    <message>
        <source>Accuracy</source>
        <translation>判定精度</translation>
    </message>
    <message>
        <source>Mark</source>
        <translation>印</translation>
    </message>
    <message>
        <source>chosen</source>
        <translation>採用</translation>
    </message>
    <message>
        <source>front</source>
        <translation>最良線</translation>
    </message>
    <message>
        <source>Auto-tune</source>
        <translation>自動調整</translation>
    </message>
    <message>
        <source>Takt (ms)</source>
        <translation>タクト (ms)</translation>
    </message>
    <message>
        <source>Export what is missing</source>
        <translation>足りないものを書き出す</translation>
    </message>
    <message>
        <source>Without it only the variants that are there already are measured</source>
        <translation>外すと、すでにあるバリアントだけを測定します</translation>
    </message>
    <message>
        <source>Measure</source>
        <translation>測定</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>中止</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
    <message>
        <source>Progress</source>
        <translation>進行状況</translation>
    </message>
</context>
<context>
    <name>TunePlot</name>
    <message>
        <source>Latency against accuracy</source>
        <translation>時間と判定精度</translation>
    </message>
    <message>
        <source>Blue: nothing is both quicker and as accurate. Ringed: chosen. Dashed: the limit of the takt.</source>
        <translation>青：これより速くて同じ判定精度のものはありません。輪：採用。破線：タクトの限度。</translation>
    </message>
    <message>
        <source>p99 of a part (ms)</source>
        <translation>部品 1 個の p99 (ms)</translation>
    </message>
    <message>
        <source>Accuracy kept (%)</source>
        <translation>保たれた判定精度 (%)</translation>
    </message>
</context>
<context>
    <name>VariantsPanel</name>
    <message>
        <source>Images of good and bad parts to calibrate with</source>
        <translation>校正に使う良品と不良品の画像</translation>
    </message>
    <message>
        <source>Remove {engine} {precision}?</source>
        <translation>{engine} {precision} を削除しますか？</translation>
    </message>
    <message>
        <source>Its files are deleted; it can be exported again. Where it was chosen, the recipe&apos;s own judges instead.</source>
        <translation>ファイルを削除します。もう一度書き出すことができます。自動調整で選ばれていた場合は、代わりにレシピのものが判定します。</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>削除</translation>
    </message>
    <message>
        <source>Keep it</source>
        <translation>残す</translation>
    </message>
    <message>
        <source>Other verdicts</source>
        <translation>判定の違い</translation>
    </message>
    <message>
        <source>Mean difference</source>
        <translation>平均の差</translation>
    </message>
    <message>
        <source>Trained</source>
        <translation>学習済み</translation>
    </message>
    <message>
        <source>Exported</source>
        <translation>書き出し後</translation>
    </message>
    <message>
        <source>Variant</source>
        <translation>バリアント</translation>
    </message>
    <message>
        <source>Metric</source>
        <translation>指標</translation>
    </message>
    <message>
        <source>MB</source>
        <translation>MB</translation>
    </message>
    <message>
        <source>State</source>
        <translation>状態</translation>
    </message>
    <message>
        <source>Variants of {bundle}</source>
        <translation>{bundle} のバリアント</translation>
    </message>
    <message>
        <source>Variants</source>
        <translation>バリアント</translation>
    </message>
    <message>
        <source>The bundle&apos;s images</source>
        <translation>バンドルの画像</translation>
    </message>
    <message>
        <source>+ {name}</source>
        <translation>＋ {name}</translation>
    </message>
    <message>
        <source>The trained network judges the reference images</source>
        <translation>学習済みネットワークが参照画像を判定しています</translation>
    </message>
    <message>
        <source>Quantising</source>
        <translation>量子化しています</translation>
    </message>
    <message>
        <source>The variant judges the reference images</source>
        <translation>バリアントが参照画像を判定しています</translation>
    </message>
    <message>
        <source>Starting</source>
        <translation>開始しています</translation>
    </message>
    <message>
        <source>A variant may judge parts once it agrees with the trained network on the bundle&apos;s reference images.</source>
        <translation>バリアントは、バンドルの参照画像で学習済みネットワークと一致してはじめて部品を判定できます。</translation>
    </message>
    <message>
        <source>Cancelled; nothing was changed.</source>
        <translation>中止しました。何も変更していません。</translation>
    </message>
    <message>
        <source>It agrees and may be used.</source>
        <translation>一致しました。使用できます。</translation>
    </message>
    <message>
        <source>Exported: it agrees and may be used.</source>
        <translation>書き出しました。一致しているので使用できます。</translation>
    </message>
    <message>
        <source>Bundle</source>
        <translation>バンドル</translation>
    </message>
    <message>
        <source>Engine</source>
        <translation>エンジン</translation>
    </message>
    <message>
        <source>Precision</source>
        <translation>演算精度</translation>
    </message>
    <message>
        <source>Largest drop</source>
        <translation>許す低下</translation>
    </message>
    <message>
        <source>Calibration</source>
        <translation>校正用の画像</translation>
    </message>
    <message>
        <source>How much worse than the trained network&apos;s the metric on the reference images may be; temperatures: of 20 K</source>
        <translation>参照画像での指標が学習済みネットワークよりどれだけ悪くてもよいか。温度では 20 K に対する割合</translation>
    </message>
    <message>
        <source>Int8 is calibrated with images that the bundle holds; a folder with more can be added</source>
        <translation>int8 はバンドルに入っている画像で校正します。フォルダーを指定して画像を増やせます</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>書き出す</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>中止</translation>
    </message>
    <message>
        <source>Check again</source>
        <translation>もう一度確認</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
    <message>
        <source>Progress</source>
        <translation>進行状況</translation>
    </message>
</context>
<context>
    <name>VerdictTile</name>
    <message>
        <source>SIMULATION</source>
        <translation>シミュレーション</translation>
    </message>
</context>
<context>
    <name>Waterfall</name>
    <message>
        <source>{stage}: {half} ms, 99 of 100 parts {most} ms</source>
        <translation>{stage}：{half} ms、100 個中 99 個は {most} ms 以内</translation>
    </message>
    <message>
        <source>Stages</source>
        <translation>工程別の時間</translation>
    </message>
    <message>
        <source>Half of the parts take as long as the full bar, 99 of 100 at most as long as the pale one</source>
        <translation>濃い棒は半数の部品、淡い棒は 100 個中 99 個の部品にかかる時間</translation>
    </message>
    <message>
        <source>p50 ms</source>
        <translation>p50 ms</translation>
    </message>
    <message>
        <source>p99 ms</source>
        <translation>p99 ms</translation>
    </message>
    <message>
        <source>Line: takt {takt} ms</source>
        <translation>縦線：タクト {takt} ms</translation>
    </message>
</context>
<context>
    <name>WhatIfPanel</name>
    <message>
        <source>Judges the stored values of all that is listed with another limit, without touching a picture.</source>
        <translation>一覧のすべての記録値を別の限界値で判定し直します。画像は読みません。</translation>
    </message>
    <message>
        <source>No rule judged the newest of these parts.</source>
        <translation>最新の部品はどのルールでも判定されていません。</translation>
    </message>
    <message>
        <source>{count} {count:|part|parts} judged again, {flips} {flips:|flips|flip}</source>
        <translation>{count} 個を判定し直し、{flips} 個の判定が変わります</translation>
    </message>
    <message>
        <source>The first {count} of them are listed.</source>
        <translation>そのうち最初の {count} 個を一覧に示します。</translation>
    </message>
    <message>
        <source>Misses among {of} {of:|part that is|parts that are} truly NG: {before} → {then} (95 %: {low} to {high}).</source>
        <translation>本当は NG の {of} 個での見逃し: {before} → {then}（95 %: {low}～{high}）。</translation>
    </message>
    <message>
        <source>No part of these was corrected to NG, so nothing is known of misses.</source>
        <translation>NG と訂正された部品がないため、見逃しは分かりません。</translation>
    </message>
    <message>
        <source>False rejects among {of} {of:|part that is|parts that are} truly OK: {before} → {then} (95 %: {low} to {high}).</source>
        <translation>本当は OK の {of} 個での過検出: {before} → {then}（95 %: {low}～{high}）。</translation>
    </message>
    <message>
        <source>No part of these was corrected to OK, so nothing is known of false rejects.</source>
        <translation>OK と訂正された部品がないため、過検出は分かりません。</translation>
    </message>
    <message>
        <source>What if</source>
        <translation>もしも</translation>
    </message>
    <message>
        <source>Rule</source>
        <translation>ルール</translation>
    </message>
    <message>
        <source>NG limit</source>
        <translation>NG の限界値</translation>
    </message>
    <message>
        <source>REVIEW from</source>
        <translation>要確認の限界値</translation>
    </message>
    <message>
        <source>none</source>
        <translation>なし</translation>
    </message>
    <message>
        <source>Judge again</source>
        <translation>判定し直す</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
    <message>
        <source>Close what if</source>
        <translation>「もしも」を閉じる</translation>
    </message>
</context>
<context>
    <name>WhereView</name>
    <message>
        <source>Looking at the images…</source>
        <translation>画像を調べています…</translation>
    </message>
    <message>
        <source>Not looked at yet: how much of what the network looks at lies on the part and its defects.</source>
        <translation>まだ調べていません。ネットワークの注目箇所がどれだけ部品や欠陥の上にあるかを示します。</translation>
    </message>
    <message>
        <source>Train with this change</source>
        <translation>この変更で学習</translation>
    </message>
    <message>
        <source>Look where it looks</source>
        <translation>注目箇所を調べる</translation>
    </message>
    <message>
        <source>Open the page with pictures</source>
        <translation>画像付きページを開く</translation>
    </message>
    <message>
        <source>Bundle</source>
        <translation>バンドル</translation>
    </message>
    <message>
        <source>Right</source>
        <translation>正答</translation>
    </message>
    <message>
        <source>On the part</source>
        <translation>部品上</translation>
    </message>
    <message>
        <source>On the defect</source>
        <translation>欠陥上</translation>
    </message>
    <message>
        <source>Times chance</source>
        <translation>偶然比</translation>
    </message>
    <message>
        <source>Insertion</source>
        <translation>挿入</translation>
    </message>
    <message>
        <source>Deletion</source>
        <translation>削除</translation>
    </message>
    <message>
        <source>ROAD</source>
        <translation>ROAD</translation>
    </message>
    <message>
        <source>Wrong place</source>
        <translation>別の場所</translation>
    </message>
    <message>
        <source>Where it looks</source>
        <translation>注目箇所</translation>
    </message>
</context>
<context>
    <name>WithChooser</name>
    <message>
        <source>Open a recipe</source>
        <translation>レシピを開く</translation>
    </message>
    <message>
        <source>Recipes (*.toml)</source>
        <translation>レシピ (*.toml)</translation>
    </message>
    <message>
        <source>Open a bundle</source>
        <translation>バンドルを開く</translation>
    </message>
    <message>
        <source>The open recipe: {name}</source>
        <translation>開いているレシピ: {name}</translation>
    </message>
    <message>
        <source>Nothing: pictures only</source>
        <translation>なし（画像のみ）</translation>
    </message>
    <message>
        <source>Open a recipe…</source>
        <translation>レシピを開く…</translation>
    </message>
    <message>
        <source>Open a bundle…</source>
        <translation>バンドルを開く…</translation>
    </message>
    <message>
        <source>Inspect with</source>
        <translation>検査に使うもの</translation>
    </message>
    <message>
        <source>The recipe or bundle that judges what is reviewed</source>
        <translation>レビューする部品を判定するレシピまたはバンドル</translation>
    </message>
</context>
<context>
    <name>WorkStrip</name>
    <message>
        <source>Work in progress</source>
        <translation>進行中の作業</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
</context>
<context>
    <name>WorstView</name>
    <message>
        <source>{truth}, said to be {said} ({score:.2f})</source>
        <translation>{truth} を {said} と判定（{score:.2f}）</translation>
    </message>
    <message>
        <source>The worst errors first. Left: the image; right: where the network looked.</source>
        <translation>悪い誤りから順に表示。左：画像、右：ネットワークが注目した場所。</translation>
    </message>
    <message>
        <source>No error was found in the test images.</source>
        <translation>テスト画像に誤りはありませんでした。</translation>
    </message>
    <message>
        <source>{truth}, said to be {said}: {count} of the {total} errors that the report keeps.</source>
        <translation>{truth} を {said} と判定：レポートにある誤り {total} 件のうち {count} 件。</translation>
    </message>
    <message>
        <source>Worst errors</source>
        <translation>特に悪い誤り</translation>
    </message>
    <message>
        <source>All errors</source>
        <translation>すべての誤り</translation>
    </message>
    <message>
        <source>Back</source>
        <translation>戻る</translation>
    </message>
</context>
<context>
    <name>cameras</name>
    <message>
        <source>Demo line</source>
        <translation>デモライン</translation>
    </message>
    <message>
        <source>Image folder</source>
        <translation>画像フォルダー</translation>
    </message>
    <message>
        <source>Network stream (RTSP/HTTP)</source>
        <translation>ネットワークカメラ (RTSP/HTTP)</translation>
    </message>
    <message>
        <source>USB camera</source>
        <translation>USB カメラ</translation>
    </message>
    <message>
        <source>Video file</source>
        <translation>動画ファイル</translation>
    </message>
</context>
<context>
    <name>classes</name>
    <message>
        <source>dent</source>
        <translation>へこみ</translation>
    </message>
    <message>
        <source>discolouration</source>
        <translation>変色</translation>
    </message>
    <message>
        <source>mild</source>
        <translation>軽度異常</translation>
    </message>
    <message>
        <source>normal</source>
        <translation>正常</translation>
    </message>
    <message>
        <source>scratch</source>
        <translation>きず</translation>
    </message>
    <message>
        <source>severe</source>
        <translation>重度異常</translation>
    </message>
    <message>
        <source>stain</source>
        <translation>汚れ</translation>
    </message>
</context>
<context>
    <name>measures</name>
    <message>
        <source>AP50</source>
        <translation>AP50</translation>
    </message>
    <message>
        <source>AP50-95</source>
        <translation>AP50-95</translation>
    </message>
    <message>
        <source>Accuracy</source>
        <translation>正解率</translation>
    </message>
    <message>
        <source>Balanced accuracy</source>
        <translation>均衡正解率</translation>
    </message>
    <message>
        <source>Defect IoU</source>
        <translation>欠陥の IoU</translation>
    </message>
    <message>
        <source>Dice</source>
        <translation>Dice</translation>
    </message>
    <message>
        <source>F1</source>
        <translation>F1</translation>
    </message>
    <message>
        <source>False alarms</source>
        <translation>誤検出</translation>
    </message>
    <message>
        <source>Images found</source>
        <translation>検出できた画像</translation>
    </message>
    <message>
        <source>IoU</source>
        <translation>IoU</translation>
    </message>
    <message>
        <source>IoU of any defect against background, whatever the class</source>
        <translation>クラスを区別しない、欠陥と背景の IoU</translation>
    </message>
    <message>
        <source>Macro Dice</source>
        <translation>マクロ Dice</translation>
    </message>
    <message>
        <source>Macro F1</source>
        <translation>マクロ F1</translation>
    </message>
    <message>
        <source>Mean IoU</source>
        <translation>平均 IoU</translation>
    </message>
    <message>
        <source>Mean error</source>
        <translation>平均誤差</translation>
    </message>
    <message>
        <source>Precision</source>
        <translation>適合率</translation>
    </message>
    <message>
        <source>Recall</source>
        <translation>再現率</translation>
    </message>
    <message>
        <source>average precision at an overlap (IoU) of 0.5</source>
        <translation>重なり（IoU）0.5 での平均適合率</translation>
    </message>
    <message>
        <source>average precision at an overlap (IoU) of 0.5, mean over the classes</source>
        <translation>重なり（IoU）0.5 での平均適合率を、クラスで平均したもの</translation>
    </message>
    <message>
        <source>harmonic mean of precision and recall</source>
        <translation>適合率と再現率の調和平均</translation>
    </message>
    <message>
        <source>mAP50</source>
        <translation>mAP50</translation>
    </message>
    <message>
        <source>mAP50-95</source>
        <translation>mAP50-95</translation>
    </message>
    <message>
        <source>mean absolute error of the temperatures</source>
        <translation>温度の平均絶対誤差</translation>
    </message>
    <message>
        <source>mean of the classes&apos; Dice</source>
        <translation>クラスごとの Dice の平均</translation>
    </message>
    <message>
        <source>mean of the classes&apos; F1: rare classes count as much as frequent ones</source>
        <translation>クラスごとの F1 の平均：少ないクラスも多いクラスと同じ重みで数えます</translation>
    </message>
    <message>
        <source>mean of the defect classes&apos; IoU</source>
        <translation>欠陥クラスごとの IoU の平均</translation>
    </message>
    <message>
        <source>mean over the classes of the share that was recognised</source>
        <translation>クラスごとに正しく認識できた割合の平均</translation>
    </message>
    <message>
        <source>overlap of pixels: the common ones over those of either</source>
        <translation>画素の重なり：共通部分を和集合で割ったもの</translation>
    </message>
    <message>
        <source>overlap of pixels: twice the common ones over the sum of both</source>
        <translation>画素の重なり：共通部分の 2 倍を両者の合計で割ったもの</translation>
    </message>
    <message>
        <source>share of the good images in which something was found</source>
        <translation>良品画像のうち、何かを検出してしまった割合</translation>
    </message>
    <message>
        <source>share of the images whose class was recognised</source>
        <translation>クラスを正しく認識できた画像の割合</translation>
    </message>
    <message>
        <source>share of the images with a defect in which something was found</source>
        <translation>欠陥のある画像のうち、何かを検出できた割合</translation>
    </message>
    <message>
        <source>share of what is so that was called so</source>
        <translation>実際にそうであるもののうち、そう判定できた割合</translation>
    </message>
    <message>
        <source>share of what was called so that is so</source>
        <translation>そう判定したもののうち、実際にそうである割合</translation>
    </message>
    <message>
        <source>the same over overlaps from 0.50 to 0.95</source>
        <translation>重なり 0.50〜0.95 で平均した同じ値</translation>
    </message>
    <message>
        <source>the same over overlaps from 0.50 to 0.95: boxes must lie exactly</source>
        <translation>重なり 0.50〜0.95 で平均した同じ値：枠の正確さが問われます</translation>
    </message>
</context>
<context>
    <name>messages</name>
    <message>
        <source>A folder source needs a path.</source>
        <translation>フォルダー入力にはパスが必要です。</translation>
    </message>
    <message>
        <source>A forecast takes five trainings on three numbers of images; there are {runs} on {sizes}.</source>
        <translation>予測には 3 通りの画像数で 5 回の学習が必要です。現在は {sizes} 通りで {runs} 回です。</translation>
    </message>
    <message>
        <source>A frame has no list of boxes.</source>
        <translation>枠の一覧がない画像があります。</translation>
    </message>
    <message>
        <source>A frame has no mask.</source>
        <translation>マスクがない画像があります。</translation>
    </message>
    <message>
        <source>A frame has no temperatures.</source>
        <translation>温度がない画像があります。</translation>
    </message>
    <message>
        <source>A frame has the label {label}, but the classes are {classes}.</source>
        <translation>ラベル {label} の画像がありますが、クラスは {classes} です。</translation>
    </message>
    <message>
        <source>A lot has a name.</source>
        <translation>ロットには名前が必要です。</translation>
    </message>
    <message>
        <source>A new recipe needs a source of frames.</source>
        <translation>新しいレシピには画像の入力元が必要です。</translation>
    </message>
    <message>
        <source>A part is OK or NG, not {verdict}.</source>
        <translation>部品は OK か NG です。{verdict} ではありません。</translation>
    </message>
    <message>
        <source>A registration needs at least {least} points in both pictures; there are {count}.</source>
        <translation>位置合わせには両方の画像に少なくとも {least} 点が必要ですが、{count} 点しかありません。</translation>
    </message>
    <message>
        <source>A tile of {size} px is larger than the image or region of {width} x {height} px.</source>
        <translation>タイル {size} px は、{width} x {height} px の画像または領域より大きくなっています。</translation>
    </message>
    <message>
        <source>A time limit of {given:.2g} minutes allows fewer epochs than make sense; about {needed:.0f} minutes would be enough.</source>
        <translation>制限時間 {given:.2g} 分では、意味のあるエポック数に届きません。約 {needed:.0f} 分あれば足ります。</translation>
    </message>
    <message>
        <source>A time limit of {given:.2g} minutes is too short for one epoch, which takes about {first:.2g} minutes here; about {needed:.0f} minutes are needed to learn anything.</source>
        <translation>制限時間 {given:.2g} 分は 1 エポックにも足りません。このコンピューターでは 1 エポックに約 {first:.2g} 分かかり、何かを学習するには約 {needed:.0f} 分必要です。</translation>
    </message>
    <message>
        <source>A video source needs a path.</source>
        <translation>動画入力にはパスが必要です。</translation>
    </message>
    <message>
        <source>About {count} {count:|image tests|images test} it. Even if all of them are judged right, up to {wrong:.2g} % of all parts may be judged wrong.</source>
        <translation>約 {count} 枚の画像で試験します。すべて正しく判定されても、全部品の最大 {wrong:.2g} % が誤って判定される可能性があります。</translation>
    </message>
    <message>
        <source>Add it beside the others.</source>
        <translation>ほかと並べて追加してください。</translation>
    </message>
    <message>
        <source>Add labelled images, or raise the shares of validation and test.</source>
        <translation>ラベル付き画像を増やすか、検証とテストの割合を上げてください。</translation>
    </message>
    <message>
        <source>All images lie in {file}; the folders in it are taken for the classes.</source>
        <translation>すべての画像が {file} の中にあります。その中のフォルダをクラスとみなします。</translation>
    </message>
    <message>
        <source>An archive cannot take over itself.</source>
        <translation>アーカイブは自分自身を取り込めません。</translation>
    </message>
    <message>
        <source>An evidence pack holds not more than {count} parts.</source>
        <translation>証拠パックに入る部品は {count} 個までです。</translation>
    </message>
    <message>
        <source>An input of {side} px suits images of {widest} px.</source>
        <translation>{widest} px の画像には {side} px の入力が適しています。</translation>
    </message>
    <message>
        <source>An input of {width} x {height} pixels is too small for {network}.</source>
        <translation>{width} × {height} 画素の入力は {network} には小さすぎます。</translation>
    </message>
    <message>
        <source>An outline in {file} cannot be drawn ({detail}); its image has {width} x {height} px.</source>
        <translation>{file} の輪郭を描けません（{detail}）。画像は {width} × {height} px です。</translation>
    </message>
    <message>
        <source>Another position costs {share} of the scores. Train with moved parts.</source>
        <translation>位置が変わるとスコアの {share} が失われます。部品をずらして学習してください。</translation>
    </message>
    <message>
        <source>Answers to mirrored views cannot be averaged for {task} with this network and input.</source>
        <translation>{task} では、このネットワークと入力の鏡像の答えを平均できません。</translation>
    </message>
    <message>
        <source>Ask for a bundle that is signed with the plant key.</source>
        <translation>工場の鍵で署名されたバンドルを入手してください。</translation>
    </message>
    <message>
        <source>At the threshold {score}, {value} % of {count} good {count:|image is|images are} rejected (95 % confidence: {low} to {high} %).</source>
        <translation>しきい値 {score} では、良品画像 {count} 枚のうち {value} % が不良と判定されます（95 % 信頼区間：{low}〜{high} %）。</translation>
    </message>
    <message>
        <source>COCO</source>
        <translation>COCO</translation>
    </message>
    <message>
        <source>COCO files list {count} of the images</source>
        <translation>COCO ファイルに画像のうち {count} 枚が記載されています</translation>
    </message>
    <message>
        <source>COCO panoptic</source>
        <translation>COCO panoptic</translation>
    </message>
    <message>
        <source>CVAT for images</source>
        <translation>CVAT for images</translation>
    </message>
    <message>
        <source>Change it back by hand; the earlier file is {backup}.</source>
        <translation>手作業で元に戻してください。以前のファイルは {backup} です。</translation>
    </message>
    <message>
        <source>Check its disk, the network to its share, and what else keeps this computer busy.</source>
        <translation>ディスク、共有フォルダーへのネットワーク、このコンピューターの他の負荷を確認してください。</translation>
    </message>
    <message>
        <source>Check its power, cable and network.</source>
        <translation>電源・ケーブル・ネットワークを確認してください。</translation>
    </message>
    <message>
        <source>Check that it is switched on and connected, its address, user and password, and that no other program uses it.</source>
        <translation>電源・接続・アドレス・ユーザー名・パスワードと、他のプログラムが使用していないことを確認してください。</translation>
    </message>
    <message>
        <source>Check that this user may open it.</source>
        <translation>このユーザーに開く権限があるか確認してください。</translation>
    </message>
    <message>
        <source>Check the camera. If its pictures may be equal, set its option allow_repeats.</source>
        <translation>カメラを確認してください。同一の画像があり得る場合は、カメラのオプション allow_repeats を設定してください。</translation>
    </message>
    <message>
        <source>Check the card&apos;s network_options and input size.</source>
        <translation>カードの network_options と入力サイズを確認してください。</translation>
    </message>
    <message>
        <source>Check the disk and the path.</source>
        <translation>ディスクとパスを確認してください。</translation>
    </message>
    <message>
        <source>Check the disk or network drive; do not change the data while it is used.</source>
        <translation>ディスクまたはネットワークドライブを確認し、使用中はデータを変更しないでください。</translation>
    </message>
    <message>
        <source>Check the disk or the network drive they are on, and start again.</source>
        <translation>画像のあるディスクやネットワークドライブを確認して、もう一度始めてください。</translation>
    </message>
    <message>
        <source>Check the disk, and the network to its share.</source>
        <translation>ディスクと、共有フォルダーへのネットワークを確認してください。</translation>
    </message>
    <message>
        <source>Check the path of the data.</source>
        <translation>データのパスを確認してください。</translation>
    </message>
    <message>
        <source>Check the path, and that the disk or share is there.</source>
        <translation>パスと、ディスクまたは共有フォルダーの接続を確認してください。</translation>
    </message>
    <message>
        <source>Check the path.</source>
        <translation>パスを確認してください。</translation>
    </message>
    <message>
        <source>Choose a file in it.</source>
        <translation>その中のファイルを選んでください。</translation>
    </message>
    <message>
        <source>Choose a folder with a run.json.</source>
        <translation>run.json のあるフォルダーを選んでください。</translation>
    </message>
    <message>
        <source>Choose a folder with free space and write permission.</source>
        <translation>空き容量があり書き込みできるフォルダーを選んでください。</translation>
    </message>
    <message>
        <source>Choose a new folder.</source>
        <translation>新しいフォルダーを選んでください。</translation>
    </message>
    <message>
        <source>Choose an image file.</source>
        <translation>画像ファイルを選んでください。</translation>
    </message>
    <message>
        <source>Choose another camera.</source>
        <translation>別のカメラを選んでください。</translation>
    </message>
    <message>
        <source>Choose another engine, or restart the program.</source>
        <translation>別のエンジンを選ぶか、プログラムを再起動してください。</translation>
    </message>
    <message>
        <source>Choose another folder, or set the option recursive to look into the folders in it.</source>
        <translation>別のフォルダーを選ぶか、オプション recursive で下位フォルダーも対象にしてください。</translation>
    </message>
    <message>
        <source>Choose another folder.</source>
        <translation>別のフォルダーを選んでください。</translation>
    </message>
    <message>
        <source>Choose another one.</source>
        <translation>別のものを選んでください。</translation>
    </message>
    <message>
        <source>Choose one of them.</source>
        <translation>その中から選んでください。</translation>
    </message>
    <message>
        <source>Choose one of {known}.</source>
        <translation>次のいずれかを選んでください: {known}。</translation>
    </message>
    <message>
        <source>Choose one of: {names}.</source>
        <translation>次から選んでください：{names}。</translation>
    </message>
    <message>
        <source>Choose the folder of one of them.</source>
        <translation>そのうち 1 つのフォルダーを選んでください。</translation>
    </message>
    <message>
        <source>Choose the folder that holds the images and their labels.</source>
        <translation>画像とラベルの入ったフォルダーを選んでください。</translation>
    </message>
    <message>
        <source>Choose the folder that holds the images.</source>
        <translation>画像のあるフォルダーを選んでください。</translation>
    </message>
    <message>
        <source>Choose the good classes among: {classes}.</source>
        <translation>良品クラスを次の中から選んでください：{classes}。</translation>
    </message>
    <message>
        <source>Class folders</source>
        <translation>クラス別フォルダー</translation>
    </message>
    <message>
        <source>Class folders with masks</source>
        <translation>マスク付きクラス別フォルダー</translation>
    </message>
    <message>
        <source>Class1/Train/ with images, and Label/ in it with Labels.txt and *_label.PNG</source>
        <translation>画像の入った Class1/Train/ と、その中の Label/ に Labels.txt と *_label.PNG</translation>
    </message>
    <message>
        <source>Classes can be merged for detection and segmentation, not for {task}.</source>
        <translation>クラスの統合は検出とセグメンテーションで使えます。{task} では使えません。</translation>
    </message>
    <message>
        <source>Close other programs, or install the program again.</source>
        <translation>他のプログラムを閉じるか、プログラムを再インストールしてください。</translation>
    </message>
    <message>
        <source>Copy it again, or convert it to MP4 with H.264.</source>
        <translation>もう一度コピーするか、H.264 の MP4 に変換してください。</translation>
    </message>
    <message>
        <source>Copy or save it again.</source>
        <translation>もう一度コピーまたは保存してください。</translation>
    </message>
    <message>
        <source>Copy the bundle again from where it was trained, or train it again.</source>
        <translation>バンドルを学習元からもう一度コピーするか、再学習してください。</translation>
    </message>
    <message>
        <source>Copy the bundle again from where it was trained.</source>
        <translation>バンドルを学習元からもう一度コピーしてください。</translation>
    </message>
    <message>
        <source>Copy the file from the camera again, or set emissivity, distance and surroundings of the source yourself.</source>
        <translation>カメラからもう一度コピーするか、入力元の放射率、距離、周囲の条件を指定してください。</translation>
    </message>
    <message>
        <source>Copy the file from the camera again.</source>
        <translation>カメラからファイルをもう一度コピーしてください。</translation>
    </message>
    <message>
        <source>Copy the whole folder again, or train it again.</source>
        <translation>フォルダー全体をもう一度コピーするか、再学習してください。</translation>
    </message>
    <message>
        <source>Correct it and load it again.</source>
        <translation>修正してからもう一度読み込んでください。</translation>
    </message>
    <message>
        <source>Correct parts in which something was found.</source>
        <translation>何かが見つかった部品を訂正してください。</translation>
    </message>
    <message>
        <source>Correct parts whose pictures were kept.</source>
        <translation>画像が残っている部品を訂正してください。</translation>
    </message>
    <message>
        <source>Correct the labels, and look at the folder again.</source>
        <translation>ラベルを修正し、フォルダーをもう一度調べてください。</translation>
    </message>
    <message>
        <source>Correct the labels, or read the folder as {others} (--layout).</source>
        <translation>ラベルを修正するか、フォルダを {others} として読み込んでください (--layout)。</translation>
    </message>
    <message>
        <source>Correct them and start again.</source>
        <translation>修正して、もう一度始めてください。</translation>
    </message>
    <message>
        <source>Count the classes in the label files from 0, or name a class for 0.</source>
        <translation>ラベルファイルのクラスを 0 から数えるか、0 のクラスに名前を付けてください。</translation>
    </message>
    <message>
        <source>Create ML</source>
        <translation>Create ML</translation>
    </message>
    <message>
        <source>Cross-validation in {folds} folds: {name} {value} (95 % confidence: {low} to {high}).</source>
        <translation>{folds} 分割の交差検証: {name} {value}(95 % 信頼区間: {low}～{high})。</translation>
    </message>
    <message>
        <source>Cut it into pieces or save it smaller.</source>
        <translation>分割するか、小さくして保存してください。</translation>
    </message>
    <message>
        <source>Cut it into pieces, or save it with fewer bands or bits.</source>
        <translation>分割するか、バンド数またはビット数を減らして保存してください。</translation>
    </message>
    <message>
        <source>DAGM</source>
        <translation>DAGM</translation>
    </message>
    <message>
        <source>DJI Thermal SDK (dirp_measure): tenths of a degree Celsius</source>
        <translation>DJI Thermal SDK (dirp_measure): 1/10 °C</translation>
    </message>
    <message>
        <source>Datumaro</source>
        <translation>Datumaro</translation>
    </message>
    <message>
        <source>Delete it by hand, if it is not needed.</source>
        <translation>不要なら手作業で削除してください。</translation>
    </message>
    <message>
        <source>Download {url} elsewhere and give the file with pretrained=PATH, use efficientnet_lite0, whose weights need no download, or leave pretrained empty.</source>
        <translation>別の場所で {url} をダウンロードして pretrained=パス で指定するか、ダウンロード不要の efficientnet_lite0 を使うか、pretrained を空にしてください。</translation>
    </message>
    <message>
        <source>Draw the mask at the size of the image.</source>
        <translation>画像と同じ大きさでマスクを描いてください。</translation>
    </message>
    <message>
        <source>End the process {pid} by hand.</source>
        <translation>プロセス {pid} を手動で終了してください。</translation>
    </message>
    <message>
        <source>Enter them again on the Settings page.</source>
        <translation>設定ページで入力し直してください。</translation>
    </message>
    <message>
        <source>Evaluate it on all of the data.</source>
        <translation>すべてのデータで評価してください。</translation>
    </message>
    <message>
        <source>Expected: {layout}.</source>
        <translation>想定する構成：{layout}。</translation>
    </message>
    <message>
        <source>Export it again with its weights inside the graph.</source>
        <translation>重みをグラフ内に含めて、もう一度エクスポートしてください。</translation>
    </message>
    <message>
        <source>Export it for detection, with its metadata: yolo export format=onnx.</source>
        <translation>検出用に、メタデータ付きで出力してください: yolo export format=onnx</translation>
    </message>
    <message>
        <source>Export it with a Sigmoid as the last step, or with the post-processor of anomalib.</source>
        <translation>最後に Sigmoid を付けるか、anomalib の後処理を付けて出力してください。</translation>
    </message>
    <message>
        <source>Export it without the last step, which chooses the best class.</source>
        <translation>最良のクラスを選ぶ最後の処理を除いて出力してください。</translation>
    </message>
    <message>
        <source>Export or train it again.</source>
        <translation>もう一度エクスポートまたは学習してください。</translation>
    </message>
    <message>
        <source>Export the labels again, at the size of the images.</source>
        <translation>画像の大きさに合わせて、ラベルを出力し直してください。</translation>
    </message>
    <message>
        <source>Export the labels again.</source>
        <translation>ラベルをもう一度書き出してください。</translation>
    </message>
    <message>
        <source>Export the masks again with a first class named background.</source>
        <translation>最初のクラスを background という名前にして、マスクを出力し直してください。</translation>
    </message>
    <message>
        <source>FLIR A15, A35, A65, Duo Pro R, high resolution; Workswell WIRIS: 0.04 K</source>
        <translation>FLIR A15、A35、A65、Duo Pro R（高分解能）、Workswell WIRIS: 0.04 K</translation>
    </message>
    <message>
        <source>FLIR A15, A35, A65, Duo Pro R, low resolution: 0.4 K</source>
        <translation>FLIR A15、A35、A65、Duo Pro R（低分解能）: 0.4 K</translation>
    </message>
    <message>
        <source>FLIR Lepton 0.01 K, FLIR Duo, MicaSense Altum, Sentera 6X: hundredths of a kelvin</source>
        <translation>FLIR Lepton 0.01 K、FLIR Duo、MicaSense Altum、Sentera 6X: 1/100 ケルビン</translation>
    </message>
    <message>
        <source>FLIR Lepton 0.1 K: tenths of a kelvin</source>
        <translation>FLIR Lepton 0.1 K: 1/10 ケルビン</translation>
    </message>
    <message>
        <source>Few images ({count}, {rarest} of the rarest class): they are measured in {folds} folds, and not varied strongly, because small or thin objects would vanish.</source>
        <translation>画像が少ないため({count} 枚、最も少ないクラスは {rarest} 枚)、{folds} 分割で評価します。小さいまたは細い対象物が消えるため、強くは変化させません。</translation>
    </message>
    <message>
        <source>Few images ({count}, {rarest} of the rarest class): they are varied strongly, and measured in {folds} folds.</source>
        <translation>画像が少ないため({count} 枚、最も少ないクラスは {rarest} 枚)、強く変化させて学習し、{folds} 分割で評価します。</translation>
    </message>
    <message>
        <source>Few images ({count}, {rarest} of the rarest class): they are varied strongly; what it can do is known only roughly.</source>
        <translation>画像が少ないため({count} 枚、最も少ないクラスは {rarest} 枚)、強く変化させて学習します。性能はおおまかにしか分かりません。</translation>
    </message>
    <message>
        <source>Few images ({count}, {rarest} of the rarest class): what it can do is known only roughly; they are not varied strongly, because small or thin objects would vanish.</source>
        <translation>画像が少ないため({count} 枚、最も少ないクラスは {rarest} 枚)、性能はおおまかにしか分かりません。小さいまたは細い対象物が消えるため、強くは変化させません。</translation>
    </message>
    <message>
        <source>FiftyOne</source>
        <translation>FiftyOne</translation>
    </message>
    <message>
        <source>Finish the training first.</source>
        <translation>先に学習を終えてください。</translation>
    </message>
    <message>
        <source>Fold {fold} of {folds}: {value}.</source>
        <translation>分割 {fold}/{folds}: {value}。</translation>
    </message>
    <message>
        <source>Folds and the learning curve are trained on one device.</source>
        <translation>交差検証と学習曲線は 1 台のデバイスで学習します。</translation>
    </message>
    <message>
        <source>Frame {index} of {file} cannot be read.</source>
        <translation>{file} のフレーム {index} を読み取れません。</translation>
    </message>
    <message>
        <source>Frame {index} of {file} is damaged ({detail}).</source>
        <translation>{file} のフレーム {index} が壊れています({detail})。</translation>
    </message>
    <message>
        <source>Free some memory or disk space.</source>
        <translation>メモリーまたはディスクの空きを増やしてください。</translation>
    </message>
    <message>
        <source>Free some space on that disk or choose another folder.</source>
        <translation>そのディスクの空きを増やすか、別のフォルダーを選んでください。</translation>
    </message>
    <message>
        <source>Free some space, or choose a folder on another disk that you may write to.</source>
        <translation>空き容量を増やすか、書き込みできる別のディスクのフォルダーを選んでください。</translation>
    </message>
    <message>
        <source>Free some space, or choose a folder on another disk.</source>
        <translation>空き容量を増やすか、別のディスクのフォルダーを選んでください。</translation>
    </message>
    <message>
        <source>Free some space, or choose another folder.</source>
        <translation>空き容量を増やすか、別のフォルダーを選んでください。</translation>
    </message>
    <message>
        <source>Free some space, or choose another folder; an earlier bundle there is unchanged.</source>
        <translation>空きを増やすか、別のフォルダーを選んでください。以前のバンドルはそのまま残っています。</translation>
    </message>
    <message>
        <source>Give a .safetensors file, or a .pth file that holds only tensors.</source>
        <translation>.safetensors ファイル、またはテンソルだけを含む .pth ファイルを指定してください。</translation>
    </message>
    <message>
        <source>Give a file with the weights of {network}, or leave pretrained empty.</source>
        <translation>{network} の重みのファイルを指定するか、pretrained を空にしてください。</translation>
    </message>
    <message>
        <source>Give a region inside the frame.</source>
        <translation>フレーム内の領域を指定してください。</translation>
    </message>
    <message>
        <source>Give another value, or leave it out.</source>
        <translation>別の値を指定するか、省略してください。</translation>
    </message>
    <message>
        <source>Give at least one class and one box.</source>
        <translation>クラスと枠を 1 つ以上指定してください。</translation>
    </message>
    <message>
        <source>Give each recording a file of its own.</source>
        <translation>録画ごとに別のファイルにしてください。</translation>
    </message>
    <message>
        <source>Give every frame a mask, an empty one if nothing is there.</source>
        <translation>すべての画像にマスクを付けてください。何もない画像には空のマスクを付けます。</translation>
    </message>
    <message>
        <source>Give every frame an annotation file, an empty one if nothing is there.</source>
        <translation>すべての画像に注釈ファイルを付けてください。何もない画像には空のファイルを付けます。</translation>
    </message>
    <message>
        <source>Give host and database, like server/archive or server:5433/archive.</source>
        <translation>server/archive や server:5433/archive のように、ホストとデータベースを入力してください。</translation>
    </message>
    <message>
        <source>Give its maximum, mean and minimum in temperatures.csv.</source>
        <translation>temperatures.csv に最高・平均・最低温度を書いてください。</translation>
    </message>
    <message>
        <source>Give one number for each of the {count} classes, with commas between.</source>
        <translation>{count} 個のクラスごとに数値を 1 つずつ、カンマで区切って指定してください。</translation>
    </message>
    <message>
        <source>Give one number or WIDTHxHEIGHT, 8 to 4096 pixels.</source>
        <translation>1 つの数値、または 幅x高さ（8〜4096 画素）を指定してください。</translation>
    </message>
    <message>
        <source>Give the camera&apos;s grey values, or leave unit, scale and offset of the source out.</source>
        <translation>カメラの濃淡値を指定するか、入力元の単位、倍率、オフセットを省いてください。</translation>
    </message>
    <message>
        <source>Give the folder of a bundle, or one of: {known}.</source>
        <translation>バンドルのフォルダー、または次のいずれかを指定してください：{known}。</translation>
    </message>
    <message>
        <source>Give the folder of a bundle.</source>
        <translation>バンドルのフォルダーを指定してください。</translation>
    </message>
    <message>
        <source>Give the folder that `inspector train --out` made.</source>
        <translation>`inspector train --out` が作成したフォルダーを指定してください。</translation>
    </message>
    <message>
        <source>Give this user permission to read it.</source>
        <translation>このユーザーに読み取り権限を与えてください。</translation>
    </message>
    <message>
        <source>Give this user permission to write there.</source>
        <translation>このユーザーに書き込みの権限を与えてください。</translation>
    </message>
    <message>
        <source>Go on from the last epoch.</source>
        <translation>最後のエポックから続けてください。</translation>
    </message>
    <message>
        <source>Go on from the last epoch; if it happens again, check the disk and the driver of the graphics card.</source>
        <translation>最後のエポックから続けてください。再び起きる場合は、ディスクとグラフィックカードのドライバーを確認してください。</translation>
    </message>
    <message>
        <source>Go on from the last epoch; if it happens again, use smaller batches or a smaller network.</source>
        <translation>最後のエポックから続けてください。繰り返す場合は、バッチかネットワークを小さくしてください。</translation>
    </message>
    <message>
        <source>Half of the labelled objects are narrower than {px} px in an input of {width} x {height} px. Use a larger input, or cut the images into pieces.</source>
        <translation>ラベル付き対象の半数は、{width} x {height} px の入力で幅が {px} px 未満です。入力を大きくするか、画像を分割してください。</translation>
    </message>
    <message>
        <source>Have the administrator of the server grant it: GRANT CREATE ON SCHEMA public.</source>
        <translation>サーバーの管理者に権限を付与してもらってください: GRANT CREATE ON SCHEMA public。</translation>
    </message>
    <message>
        <source>Heat the target, show all of it, or give the points by hand.</source>
        <translation>ターゲットを温め、全体を写してください。または点を手で指定してください。</translation>
    </message>
    <message>
        <source>Help (F1) tells under What changed what is new. Your recipes, bundles, settings and results are as they were.</source>
        <translation>新しい点はヘルプ（F1）の「変更点」にあります。レシピ、バンドル、設定、結果は変わっていません。</translation>
    </message>
    <message>
        <source>Images and masks</source>
        <translation>画像とマスク</translation>
    </message>
    <message>
        <source>In epoch {epoch} it has begun to learn.</source>
        <translation>エポック {epoch} で学習が進み始めました。</translation>
    </message>
    <message>
        <source>In {value} % of the images with a defect something was found (95 % confidence: {low} to {high} %); the areas overlap the labelled ones with an IoU of {iou}.</source>
        <translation>欠陥のある画像の {value} % で何かを検出しました（95 % 信頼区間：{low}〜{high} %）。領域とラベルの重なりは IoU {iou} です。</translation>
    </message>
    <message>
        <source>InfiRay P2 Pro, Topdon TC001: sixty-fourths of a kelvin</source>
        <translation>InfiRay P2 Pro、Topdon TC001: 1/64 ケルビン</translation>
    </message>
    <message>
        <source>Install elpv-dataset again.</source>
        <translation>elpv-dataset をもう一度インストールしてください。</translation>
    </message>
    <message>
        <source>Install it from the program&apos;s folder: packaging/run.sh --with elpv (Windows: run.ps1).</source>
        <translation>プログラムのフォルダーで packaging/run.sh --with elpv(Windows: run.ps1)を実行してください。</translation>
    </message>
    <message>
        <source>Install it from the program&apos;s folder: packaging/run.sh --with {extra} (Windows: run.ps1).</source>
        <translation>プログラムのフォルダーから次のコマンドでインストールしてください：packaging/run.sh --with {extra}（Windows：run.ps1）</translation>
    </message>
    <message>
        <source>Install it: uv pip install &quot;inspector[cluster]&quot;.</source>
        <translation>インストールしてください: uv pip install &quot;inspector[cluster]&quot;</translation>
    </message>
    <message>
        <source>Install the program again, or choose something else.</source>
        <translation>プログラムをもう一度インストールするか、別のものを選んでください。</translation>
    </message>
    <message>
        <source>Install the program again, or use another engine.</source>
        <translation>プログラムをもう一度インストールするか、別のエンジンを使ってください。</translation>
    </message>
    <message>
        <source>Install the program again.</source>
        <translation>プログラムを再インストールしてください。</translation>
    </message>
    <message>
        <source>Install the program again; until then, look at what it judges with care.</source>
        <translation>プログラムをもう一度インストールしてください。それまでは判定結果に注意してください。</translation>
    </message>
    <message>
        <source>Install them from the program&apos;s folder: packaging/run.sh --with train (Windows: run.ps1).</source>
        <translation>プログラムのフォルダーからインストールしてください：packaging/run.sh --with train（Windows では run.ps1）。</translation>
    </message>
    <message>
        <source>Install {package}.</source>
        <translation>{package} をインストールしてください。</translation>
    </message>
    <message>
        <source>Internal error at {where}: {detail}</source>
        <translation>{where} で内部エラー：{detail}</translation>
    </message>
    <message>
        <source>Internal error in the camera {camera}: {detail}</source>
        <translation>カメラ {camera} で内部エラー：{detail}</translation>
    </message>
    <message>
        <source>Internal error while inspecting: {detail}</source>
        <translation>検査中の内部エラー：{detail}</translation>
    </message>
    <message>
        <source>Internal error while loading the recipe: {detail}</source>
        <translation>レシピ読み込み中の内部エラー：{detail}</translation>
    </message>
    <message>
        <source>Internal error while opening the engines: {detail}</source>
        <translation>エンジン起動中の内部エラー：{detail}</translation>
    </message>
    <message>
        <source>It computes about {ms:.0f} ms a part here, and the takt is {takt:.0f} ms.</source>
        <translation>このコンピューターでは 1 個あたり約 {ms:.0f} ms かかり、タクトは {takt:.0f} ms です。</translation>
    </message>
    <message>
        <source>It holds several frames; the first one is used.</source>
        <translation>複数のフレームを含むため、最初の 1 枚を使用します。</translation>
    </message>
    <message>
        <source>It is opened again. Choose another engine if it happens again.</source>
        <translation>開き直しています。繰り返す場合は別のエンジンを選んでください。</translation>
    </message>
    <message>
        <source>It is trained on the graphics card {name}.</source>
        <translation>グラフィックスカード {name} で学習します。</translation>
    </message>
    <message>
        <source>It learns from pieces of {piece} px, most of them around an object: a step takes {share:.0f} % of the time that the whole input would take.</source>
        <translation>{piece} px の部分画像から学習し、その多くは対象物の周囲です。1 ステップの時間は入力全体の {share:.0f} % です。</translation>
    </message>
    <message>
        <source>It may also be read as {others} (--layout); expected: {layout}.</source>
        <translation>{others} として読み込むこともできます (--layout)。想定: {layout}。</translation>
    </message>
    <message>
        <source>It may have at most {limit:g} letters.</source>
        <translation>{limit:g} 文字以下にしてください。</translation>
    </message>
    <message>
        <source>It must be at least {limit:g}.</source>
        <translation>{limit:g} 以上にしてください。</translation>
    </message>
    <message>
        <source>It must be at most {limit:g}.</source>
        <translation>{limit:g} 以下にしてください。</translation>
    </message>
    <message>
        <source>It must be less than {limit:g}.</source>
        <translation>{limit:g} より小さくしてください。</translation>
    </message>
    <message>
        <source>It must be more than {limit:g}.</source>
        <translation>{limit:g} より大きくしてください。</translation>
    </message>
    <message>
        <source>It started from nothing. Start from weights that know pictures already (start weights: imagenet), or train for more epochs.</source>
        <translation>ゼロから学習を始めました。学習済みの重み(初期重み: imagenet)から始めるか、エポック数を増やしてください。</translation>
    </message>
    <message>
        <source>It was stopped, and nothing is left of it.</source>
        <translation>停止しました。何も残っていません。</translation>
    </message>
    <message>
        <source>It was stopped. What was judged is kept, and it goes on from there.</source>
        <translation>停止しました。判定済みの分は残り、次はそこから続きます。</translation>
    </message>
    <message>
        <source>It was turned upright as the camera noted.</source>
        <translation>カメラの記録に従って向きを直しました。</translation>
    </message>
    <message>
        <source>Its first line is: {columns}.</source>
        <translation>最初の行は {columns} です。</translation>
    </message>
    <message>
        <source>Its first line must name the columns path and label; save it as UTF-8.</source>
        <translation>1 行目に path と label の列名を書き、UTF-8 で保存してください。</translation>
    </message>
    <message>
        <source>Its transparency says that nothing of it is visible; it is shown without it.</source>
        <translation>透明度の情報では全体が不可視になるため、透明度を無視して表示しています。</translation>
    </message>
    <message>
        <source>Its transparent parts are shown on black.</source>
        <translation>透明な部分は黒で表示します。</translation>
    </message>
    <message>
        <source>Its {files} {files:|file is|files are} in no layout that is understood; {files:|it is|they are} not used.</source>
        <translation>ラベルらしいファイル（{files}）がありますが、理解できる形式ではないため使用しません。</translation>
    </message>
    <message>
        <source>Its {files} {files:|file is a picture of a kind that is|files are pictures of kinds that are} not read.</source>
        <translation>{files} のファイルは読み込めない種類の画像です。</translation>
    </message>
    <message>
        <source>JPEGImages/ with the images and Annotations/ with one Pascal VOC .xml an image</source>
        <translation>JPEGImages/ に画像、Annotations/ に画像ごとの Pascal VOC .xml</translation>
    </message>
    <message>
        <source>Judging on several computers needs the package distributed.</source>
        <translation>複数のコンピューターでの判定にはパッケージ distributed が必要です。</translation>
    </message>
    <message>
        <source>Label Studio</source>
        <translation>Label Studio</translation>
    </message>
    <message>
        <source>Label the image again, or bring the one it was drawn on.</source>
        <translation>ラベルを付け直すか、元の画像を用意してください。</translation>
    </message>
    <message>
        <source>Learning curve, training {run} of {runs}: {value} after {images} {images:|image|images}.</source>
        <translation>学習曲線、学習 {run}/{runs}: 画像 {images} 枚で {value}。</translation>
    </message>
    <message>
        <source>Leave out --one-class.</source>
        <translation>--one-class を外してください。</translation>
    </message>
    <message>
        <source>Leave out --piece.</source>
        <translation>--piece を省いてください。</translation>
    </message>
    <message>
        <source>Leave out the layer, and choose the method occlusion or rise.</source>
        <translation>層を指定せず、方法に occlusion か rise を選んでください。</translation>
    </message>
    <message>
        <source>Levels are two numbers, the lower one first.</source>
        <translation>レベルは 2 つの数値で、小さいほうを先に書きます。</translation>
    </message>
    <message>
        <source>Lines of objects</source>
        <translation>物体ごとの行</translation>
    </message>
    <message>
        <source>Look at it again, and use the bundle once more.</source>
        <translation>内容を確認し、もう一度バンドルを適用してください。</translation>
    </message>
    <message>
        <source>Look at the list of problems and correct the data.</source>
        <translation>問題の一覧を見てデータを直してください。</translation>
    </message>
    <message>
        <source>MVTec AD</source>
        <translation>MVTec AD</translation>
    </message>
    <message>
        <source>Mark more points.</source>
        <translation>点を増やしてください。</translation>
    </message>
    <message>
        <source>Measure it again.</source>
        <translation>もう一度測定してください。</translation>
    </message>
    <message>
        <source>NG if a class scores more than</source>
        <translation>いずれかのクラスのスコアが次の値を超えたら NG</translation>
    </message>
    <message>
        <source>NG if a class that is not good scores more than</source>
        <translation>良品以外のクラスのスコアが次の値を超えたら NG</translation>
    </message>
    <message>
        <source>NG if all areas together have more pixels than</source>
        <translation>領域の合計の画素数が次の値を超えたら NG</translation>
    </message>
    <message>
        <source>NG if all areas together have more square millimetres than</source>
        <translation>領域の合計面積（mm²）が次の値を超えたら NG</translation>
    </message>
    <message>
        <source>NG if the coldest place has more degrees Celsius than</source>
        <translation>最低温度（℃）が次の値を超えたら NG</translation>
    </message>
    <message>
        <source>NG if the hottest place has more degrees Celsius than</source>
        <translation>最高温度（℃）が次の値を超えたら NG</translation>
    </message>
    <message>
        <source>NG if the largest area has more pixels than</source>
        <translation>最大の領域の画素数が次の値を超えたら NG</translation>
    </message>
    <message>
        <source>NG if the largest area has more square millimetres than</source>
        <translation>最大の領域の面積（mm²）が次の値を超えたら NG</translation>
    </message>
    <message>
        <source>NG if the mean temperature has more degrees Celsius than</source>
        <translation>平均温度（℃）が次の値を超えたら NG</translation>
    </message>
    <message>
        <source>NG if there are more hot spots than</source>
        <translation>ホットスポットの数が次の値を超えたら NG</translation>
    </message>
    <message>
        <source>NG if there are more objects than</source>
        <translation>検出数が次の値を超えたら NG</translation>
    </message>
    <message>
        <source>Name a .png or .jpg file in a folder that exists.</source>
        <translation>存在するフォルダー内の .png または .jpg ファイルを指定してください。</translation>
    </message>
    <message>
        <source>Name one with --model, or train one.</source>
        <translation>--model で指定するか、学習してください。</translation>
    </message>
    <message>
        <source>Narrow the list with the filters: an action without picked parts is about all of the list.</source>
        <translation>絞り込みで一覧を狭めてください。部品を選ばなければ、操作は一覧のすべてに行われます。</translation>
    </message>
    <message>
        <source>No bundle for this kind of picture comes with the program.</source>
        <translation>この種類の画像に対応する付属バンドルはありません。</translation>
    </message>
    <message>
        <source>No gain can be promised: results vary more from one training to the next than with the images.</source>
        <translation>効果は約束できません：画像の枚数による差より、学習ごとのばらつきのほうが大きいためです。</translation>
    </message>
    <message>
        <source>No image has anything labelled in it: there is nothing to learn to find.</source>
        <translation>どの画像にもラベルがありません：検出を学習する対象がありません。</translation>
    </message>
    <message>
        <source>No network is fast enough here for a takt of {takt:.0f} ms: the smallest input computes {ms:.0f} ms, and half of the takt is needed for the rest. Use a faster computer or a longer takt.</source>
        <translation>タクト {takt:.0f} ms に間に合うネットワークがありません。最小の入力でも {ms:.0f} ms かかり、タクトの半分は他の処理に必要です。より速いコンピューターか、長いタクトにしてください。</translation>
    </message>
    <message>
        <source>No picture of this part was kept: the recipe keeps NG and REVIEW parts, and one OK part in some.</source>
        <translation>この部品の画像は保存されていません。レシピは NG と要確認の部品と、OK の部品の一部を保存します。</translation>
    </message>
    <message>
        <source>No recipe or model was named: the bundles of the demo line ({names}) look at the whole frame.</source>
        <translation>レシピもバンドルも指定されていないため、デモラインのバンドル（{names}）でフレーム全体を検査します。</translation>
    </message>
    <message>
        <source>No temperature in {file} is above -73 degrees Celsius; are they in kelvin?</source>
        <translation>{file} の温度はすべて -73 ℃以下です。単位はケルビンですか?</translation>
    </message>
    <message>
        <source>None of the images in {folder} can be used: {why}</source>
        <translation>{folder} の画像はどれも使えません: {why}</translation>
    </message>
    <message>
        <source>None of the {count} {count:|image|images} can be read any more.</source>
        <translation>{count} 枚の画像がどれも読めなくなりました。</translation>
    </message>
    <message>
        <source>None of the {count} {count:|image|images} can be read.</source>
        <translation>{count} 枚の画像はどれも読み取れません。</translation>
    </message>
    <message>
        <source>None of the {count} samples for {part} can be read.</source>
        <translation>{part} 用の {count} 件がどれも読めません。</translation>
    </message>
    <message>
        <source>Not looked at</source>
        <translation>未確認</translation>
    </message>
    <message>
        <source>Not more than {count} parts can be picked one by one.</source>
        <translation>1 つずつ選べる部品は {count} 個までです。</translation>
    </message>
    <message>
        <source>Nothing can be written to {folder} ({detail}).</source>
        <translation>{folder} に書き込めません({detail})。</translation>
    </message>
    <message>
        <source>Nothing in {folder} can be used ({layout}): {why}</source>
        <translation>{folder} には使えるものがありません（{layout}）：{why}</translation>
    </message>
    <message>
        <source>Objects are usually {object:.3g} px large in images of {widest} px, and only {spans:.3g} px in an input of {side} px, where they are hard to find: cut the images into pieces, or let the camera look closer.</source>
        <translation>対象の大きさはふつう、{widest} px の画像では {object:.3g} px ですが、{side} px の入力では {spans:.3g} px しかなく、見つけにくくなります。画像を分割するか、カメラを近づけてください。</translation>
    </message>
    <message>
        <source>Objects are usually {object:.3g} px large in images of {widest} px, and {spans:.3g} px in an input of {side} px.</source>
        <translation>対象の大きさはふつう、{widest} px の画像では {object:.3g} px、{side} px の入力では {spans:.3g} px です。</translation>
    </message>
    <message>
        <source>Only boxes of a detection bundle can be explained one by one.</source>
        <translation>枠ごとに根拠を表示できるのは、検出バンドルの枠だけです。</translation>
    </message>
    <message>
        <source>Only {count} {count:|image was|images were} tested: the intervals say how far the truth may be from these numbers.</source>
        <translation>テストした画像は {count} 枚だけです。真の値がどれだけ離れうるかは区間が示します。</translation>
    </message>
    <message>
        <source>Only {share} of the heat lies on the part. Train with its surroundings covered.</source>
        <translation>注目の {share} しか部品の上にありません。周囲を覆って学習してください。</translation>
    </message>
    <message>
        <source>Open the file as the thermal camera saved it.</source>
        <translation>サーマルカメラが保存したままのファイルを開いてください。</translation>
    </message>
    <message>
        <source>OpenVINO could not run {bundle} ({detail}).</source>
        <translation>OpenVINO で {bundle} を実行できませんでした（{detail}）。</translation>
    </message>
    <message>
        <source>Options of this kind of camera: {names}.</source>
        <translation>この種類のカメラのオプション：{names}。</translation>
    </message>
    <message>
        <source>Other light costs {share} of the scores. Train with more varied light.</source>
        <translation>明るさが変わるとスコアの {share} が失われます。明るさをより大きく変えて学習してください。</translation>
    </message>
    <message>
        <source>Parts of the video of {source} were lost on the way; this picture would be made up.</source>
        <translation>{source} の映像の一部が途中で失われたため、この画像は復号器の推測になります。</translation>
    </message>
    <message>
        <source>Pascal VOC</source>
        <translation>Pascal VOC</translation>
    </message>
    <message>
        <source>Pick parts, or narrow the list with the filters.</source>
        <translation>部品を選ぶか、絞り込みで一覧を狭めてください。</translation>
    </message>
    <message>
        <source>Pictures are left out: the disk of {folder} is nearly full, and what is left is for records.</source>
        <translation>{folder} のディスクの空きが少ないため、画像の保存を止めています。残りは記録に使います。</translation>
    </message>
    <message>
        <source>Pixels without a temperature are left out: {count}.</source>
        <translation>温度のない画素は除外します（{count} 個）。</translation>
    </message>
    <message>
        <source>Please report it with the details.</source>
        <translation>詳細を添えて報告してください。</translation>
    </message>
    <message>
        <source>Please report it with the program&apos;s log.</source>
        <translation>プログラムのログを添えて報告してください。</translation>
    </message>
    <message>
        <source>Put every frame into the folder of its class.</source>
        <translation>すべての画像をクラスごとのフォルダーに入れてください。</translation>
    </message>
    <message>
        <source>PyTorch could not run {bundle} ({detail}).</source>
        <translation>PyTorch で {bundle} を実行できませんでした（{detail}）。</translation>
    </message>
    <message>
        <source>Radiometric files</source>
        <translation>放射温度ファイル</translation>
    </message>
    <message>
        <source>Restart the computer or update the driver of the graphics card; training also works without it.</source>
        <translation>コンピューターを再起動するか、グラフィックスカードのドライバーを更新してください。学習はそれがなくてもできます。</translation>
    </message>
    <message>
        <source>Restart the program, or choose another engine.</source>
        <translation>プログラムを再起動するか、別のエンジンを選んでください。</translation>
    </message>
    <message>
        <source>Restart the program.</source>
        <translation>プログラムを再起動してください。</translation>
    </message>
    <message>
        <source>Save a smaller image.</source>
        <translation>小さい画像で保存してください。</translation>
    </message>
    <message>
        <source>Save it again as an 8-bit PNG.</source>
        <translation>8 ビット PNG として保存し直してください。</translation>
    </message>
    <message>
        <source>Save it again with the encoding UTF-8.</source>
        <translation>文字コードを UTF-8 にして保存し直してください。</translation>
    </message>
    <message>
        <source>Save it as 8-bit or 16-bit PNG or TIFF.</source>
        <translation>8 ビットまたは 16 ビットの PNG か TIFF で保存してください。</translation>
    </message>
    <message>
        <source>Save it as FFV1 in MKV, with 8 bits or with 16-bit grey.</source>
        <translation>8 ビットまたは 16 ビットグレーの FFV1(MKV)で保存してください。</translation>
    </message>
    <message>
        <source>Save it in grey: 0 is background, and white or 1, 2, 3, ... are the classes.</source>
        <translation>グレースケールで保存してください。0 が背景、白または 1、2、3…がクラスです。</translation>
    </message>
    <message>
        <source>Save the network&apos;s state_dict() and give that file.</source>
        <translation>ネットワークの state_dict() を保存し、そのファイルを指定してください。</translation>
    </message>
    <message>
        <source>SimpleYOLO with {boxes} {boxes:|box|boxes} a cell cannot have {outputs} outputs.</source>
        <translation>セルあたり {boxes} 個の枠の SimpleYOLO は、{outputs} 個の出力を持てません。</translation>
    </message>
    <message>
        <source>Start again; use a smaller batch or another engine if it happens again.</source>
        <translation>もう一度開始してください。再発する場合は、バッチを小さくするか別のエンジンを使ってください。</translation>
    </message>
    <message>
        <source>Start again; use another engine if it happens again.</source>
        <translation>もう一度開始してください。再発する場合は、別のエンジンを使ってください。</translation>
    </message>
    <message>
        <source>Start it again, or restore what was changed.</source>
        <translation>最初から始めるか、変更した部分を元に戻してください。</translation>
    </message>
    <message>
        <source>Start it in triggered mode.</source>
        <translation>トリガーモードで開始してください。</translation>
    </message>
    <message>
        <source>Start it, and wait until it runs.</source>
        <translation>開始して、運転中になるまで待ってください。</translation>
    </message>
    <message>
        <source>Start the training again, and leave its folder where it is.</source>
        <translation>学習をもう一度始め、フォルダーはそのままにしてください。</translation>
    </message>
    <message>
        <source>Start the training again.</source>
        <translation>学習をもう一度始めてください。</translation>
    </message>
    <message>
        <source>Start weights that need no download are not installed, so it would learn from nothing. Install them from the program&apos;s folder: packaging/run.sh --with train (Windows: run.ps1), or choose a file of weights.</source>
        <translation>ダウンロード不要の初期重みがインストールされていないため、ゼロからの学習になります。プログラムのフォルダーで packaging/run.sh --with train(Windows: run.ps1)を実行するか、重みファイルを選んでください。</translation>
    </message>
    <message>
        <source>Supervisely</source>
        <translation>Supervisely</translation>
    </message>
    <message>
        <source>Table of labels</source>
        <translation>ラベルの表</translation>
    </message>
    <message>
        <source>Table of objects</source>
        <translation>物体の表</translation>
    </message>
    <message>
        <source>Temperatures are off by {value} K on average (95 % confidence: {low} to {high} K).</source>
        <translation>温度のずれは平均 {value} K です（95 % 信頼区間：{low}〜{high} K）。</translation>
    </message>
    <message>
        <source>The ImageNet weights of EfficientNet-Lite0 are not installed.</source>
        <translation>EfficientNet-Lite0 の ImageNet の重みがインストールされていません。</translation>
    </message>
    <message>
        <source>The ImageNet weights {name} cannot be downloaded ({detail}).</source>
        <translation>ImageNet の重み {name} をダウンロードできません（{detail}）。</translation>
    </message>
    <message>
        <source>The ONNX graph of {bundle} differs from the trained network by {difference:.2g}, more than {limit:g}.</source>
        <translation>{bundle} の ONNX グラフと学習済みネットワークの差が {difference:.2g} あり、{limit:g} を超えています。</translation>
    </message>
    <message>
        <source>The annotation {file} cannot be read ({detail}).</source>
        <translation>アノテーション {file} を読めません({detail})。</translation>
    </message>
    <message>
        <source>The bundle {bundle} does not say which samples it was tested on.</source>
        <translation>バンドル {bundle} には、どの画像でテストしたかが記録されていません。</translation>
    </message>
    <message>
        <source>The bundle {bundle} gave no prediction.</source>
        <translation>バンドル {bundle} の予測がありません。</translation>
    </message>
    <message>
        <source>The bundle {bundle} gave values that are not numbers.</source>
        <translation>バンドル {bundle} の出力が数値ではありません。</translation>
    </message>
    <message>
        <source>The bundle {bundle} has no {file}.</source>
        <translation>バンドル {bundle} に {file} がありません。</translation>
    </message>
    <message>
        <source>The bundle {bundle} lacks its file {file}.</source>
        <translation>バンドル {bundle} のファイル {file} がありません。</translation>
    </message>
    <message>
        <source>The bundle {bundle} lists {file}, a kind of file that bundles do not hold.</source>
        <translation>バンドル {bundle} に、許可されない種類のファイル {file} が記載されています。</translation>
    </message>
    <message>
        <source>The bundle {bundle} needs a picture, and {camera} gives temperatures.</source>
        <translation>バンドル {bundle} には画像が必要ですが、{camera} は温度を出力しています。</translation>
    </message>
    <message>
        <source>The bundle {bundle} needs pictures of more than 8 bits, and {camera} gives 8.</source>
        <translation>バンドル {bundle} には 8 ビットを超える画像が必要ですが、{camera} の画像は 8 ビットです。</translation>
    </message>
    <message>
        <source>The bundle {bundle} needs temperatures, and {camera} gives a picture without them.</source>
        <translation>バンドル {bundle} には温度が必要ですが、{camera} の画像に温度がありません。</translation>
    </message>
    <message>
        <source>The bundle {bundle} takes 1 to {most} frames {wanted}, not {got}.</source>
        <translation>バンドル {bundle} の入力は 1～{most} 枚の {wanted} ですが、{got} が渡されました。</translation>
    </message>
    <message>
        <source>The bundle {folder} cannot be written ({detail}).</source>
        <translation>バンドル {folder} を書き込めません（{detail}）。</translation>
    </message>
    <message>
        <source>The camera {camera} cannot both watch and loop.</source>
        <translation>カメラ {camera} では watch と loop を同時に使えません。</translation>
    </message>
    <message>
        <source>The camera {camera} does not stop: it hangs in its driver.</source>
        <translation>カメラ {camera} が停止しません。ドライバーが応答していません。</translation>
    </message>
    <message>
        <source>The camera {camera} has shown no sign of life for {seconds:.0f} s.</source>
        <translation>カメラ {camera} から {seconds:.0f} 秒間反応がありません。</translation>
    </message>
    <message>
        <source>The card of the bundle {bundle} does not list {file}.</source>
        <translation>バンドル {bundle} のカードに {file} の記載がありません。</translation>
    </message>
    <message>
        <source>The card of {bundle} needs {channels} values of mean and of std, and std above 0.</source>
        <translation>{bundle} のカードには mean と std がそれぞれ {channels} 個必要で、std は 0 より大きくなければなりません。</translation>
    </message>
    <message>
        <source>The card of {name} does not say how its temperatures are scaled (target_mean, target_std).</source>
        <translation>{name} のカードに温度のスケール（target_mean、target_std）がありません。</translation>
    </message>
    <message>
        <source>The checkpoint {file} cannot be read ({detail}).</source>
        <translation>チェックポイント {file} を読めません（{detail}）。</translation>
    </message>
    <message>
        <source>The classes of {folder} are in another order than the bundle&apos;s.</source>
        <translation>{folder} のクラスの順序がバンドルと異なります。</translation>
    </message>
    <message>
        <source>The classes {names} differ in capital letters only; are they one class?</source>
        <translation>クラス {names} は大文字と小文字だけが違います。同じクラスではありませんか?</translation>
    </message>
    <message>
        <source>The connection to {source} was lost.</source>
        <translation>{source} との接続が切れました。</translation>
    </message>
    <message>
        <source>The data cannot be written to {folder} ({detail}).</source>
        <translation>データを {folder} に書き込めません({detail})。</translation>
    </message>
    <message>
        <source>The data in {folder} has the class {name!r}, which is not one of {classes}.</source>
        <translation>{folder} のデータにあるクラス {name!r} は、{classes} のどれでもありません。</translation>
    </message>
    <message>
        <source>The data&apos;s own training part shows good parts only; all images are put together and split anew.</source>
        <translation>データ自身の学習用部分は良品だけです。すべての画像をまとめて分割し直します。</translation>
    </message>
    <message>
        <source>The demo line has no camera called {address!r}.</source>
        <translation>デモラインに {address!r} というカメラはありません。</translation>
    </message>
    <message>
        <source>The engine does not stop.</source>
        <translation>エンジンが停止しません。</translation>
    </message>
    <message>
        <source>The engine of {bundle} failed {count} times within {seconds:.0f} s and is given a rest.</source>
        <translation>{bundle} のエンジンが {seconds:.0f} 秒間に {count} 回失敗したため、休止しています。</translation>
    </message>
    <message>
        <source>The engine of {bundle} gave {got} results for {count} frames.</source>
        <translation>{bundle} のエンジンが {count} フレームに対して {got} 件の結果を返しました。</translation>
    </message>
    <message>
        <source>The engine of {bundle} is closed.</source>
        <translation>{bundle} のエンジンは終了しています。</translation>
    </message>
    <message>
        <source>The file {file} is not the one this bundle was made with (its SHA-256 differs).</source>
        <translation>ファイル {file} はこのバンドルの作成時のものではありません（SHA-256 が一致しません）。</translation>
    </message>
    <message>
        <source>The folder cannot be read ({detail}).</source>
        <translation>フォルダーを読めません({detail})。</translation>
    </message>
    <message>
        <source>The folder of the run, {folder}, is gone or was moved.</source>
        <translation>学習のフォルダー {folder} がなくなったか、移動されました。</translation>
    </message>
    <message>
        <source>The folder {folder} cannot be listed ({detail}).</source>
        <translation>フォルダー {folder} の一覧を取得できません（{detail}）。</translation>
    </message>
    <message>
        <source>The folder {folder} cannot be read ({detail}).</source>
        <translation>フォルダー {folder} を読めません({detail})。</translation>
    </message>
    <message>
        <source>The folder {folder} cannot be read ({detail}); nothing in it is used.</source>
        <translation>フォルダー {folder} を読み取れません ({detail})。中のファイルは使われません。</translation>
    </message>
    <message>
        <source>The folder {name} that belongs to this program is missing.</source>
        <translation>このプログラムのフォルダー {name} がありません。</translation>
    </message>
    <message>
        <source>The frame of {camera} is black (mean {mean:.1f} of 255).</source>
        <translation>{camera} の画像が真っ暗です（平均 {mean:.1f}／255）。</translation>
    </message>
    <message>
        <source>The frame of {camera} is blurred (sharpness {sharpness:.1f}, needs {limit:.1f}).</source>
        <translation>{camera} の画像がぼけています（鮮明度 {sharpness:.1f}、必要値 {limit:.1f}）。</translation>
    </message>
    <message>
        <source>The frame of {camera} is over-exposed ({percent:.0f} % of it is white).</source>
        <translation>{camera} の画像が露出オーバーです（{percent:.0f} % が白飛び）。</translation>
    </message>
    <message>
        <source>The frame of {camera} is stale ({age:.0f} ms old).</source>
        <translation>{camera} の画像が古すぎます（{age:.0f} ms 前）。</translation>
    </message>
    <message>
        <source>The frame of {camera} is {width} x {height} pixels, too small for the region {region} of {bundle}.</source>
        <translation>{camera} の画像は {width} x {height} 画素で、{bundle} の領域 {region} に足りません。</translation>
    </message>
    <message>
        <source>The frames of {camera} are {width} x {height} pixels, and were {before}: set it back, or set up its recipe again.</source>
        <translation>{camera} の画像が {width} x {height} ピクセルです(以前は {before})。カメラの設定を戻すか、レシピを設定し直してください。</translation>
    </message>
    <message>
        <source>The graphics card or its driver failed ({detail}).</source>
        <translation>グラフィックスカードまたはドライバーに障害が起きました({detail})。</translation>
    </message>
    <message>
        <source>The images have {count} sizes, from {width} x {height} to {widest} x {highest} px; all are fitted to the input.</source>
        <translation>画像のサイズは {count} 種類あります({width} x {height}〜{widest} x {highest} px)。すべて入力サイズに合わせます。</translation>
    </message>
    <message>
        <source>The images look so alike that near duplicates cannot be told; only exact copies were looked for.</source>
        <translation>画像が互いに似すぎているため類似画像を判別できません。完全な複製だけを調べました。</translation>
    </message>
    <message>
        <source>The layer {layer} has no map that could be explained.</source>
        <translation>層 {layer} には根拠として表示できるマップがありません。</translation>
    </message>
    <message>
        <source>The layout {to} does not hold labels for {task}.</source>
        <translation>形式 {to} には {task} のラベルを入れられません。</translation>
    </message>
    <message>
        <source>The line gave fewer than {parts} {parts:|part|parts} in {seconds:.0f} seconds.</source>
        <translation>{seconds:.0f} 秒間に {parts} 個の部品が来ませんでした。</translation>
    </message>
    <message>
        <source>The mask {file} cannot be read ({detail}).</source>
        <translation>マスク {file} を読めません（{detail}）。</translation>
    </message>
    <message>
        <source>The mask {file} is in colours, which name no class.</source>
        <translation>マスク {file} はカラーです。色からはクラスが分かりません。</translation>
    </message>
    <message>
        <source>The mask {file} is {mask_width} x {mask_height} px, its image {width} x {height} px.</source>
        <translation>マスク {file} は {mask_width} × {mask_height} px ですが、画像は {width} × {height} px です。</translation>
    </message>
    <message>
        <source>The memory was not enough ({detail}).</source>
        <translation>メモリーが足りませんでした({detail})。</translation>
    </message>
    <message>
        <source>The memory was not enough: the system ended the worker process ({how}).</source>
        <translation>メモリーが足りず、システムがワーカープロセスを終了しました({how})。</translation>
    </message>
    <message>
        <source>The most frequent class has {times:.0f} times as many images as the rarest: rare ones count more.</source>
        <translation>最も多いクラスの画像は最も少ないクラスの {times:.0f} 倍です。少ないクラスを重く扱います。</translation>
    </message>
    <message>
        <source>The network {network} cannot be built with these options: {options} ({detail}).</source>
        <translation>ネットワーク {network} をこのオプションで構成できません：{options}（{detail}）。</translation>
    </message>
    <message>
        <source>Choose one.</source>
        <translation>選んでください。</translation>
    </message>
    <message>
        <source>A correction needs the name of the person who made it.</source>
        <translation>訂正には、訂正した人の名前が必要です。</translation>
    </message>
    <message>
        <source>A database server is backed up with its own tools, for example pg_dump.</source>
        <translation>データベースサーバーは pg_dump など、そのサーバーのツールでバックアップしてください。</translation>
    </message>
    <message>
        <source>A file cannot be written or read ({detail}).</source>
        <translation>ファイルの読み書きができません({detail})。</translation>
    </message>
    <message>
        <source>A place cannot be compared with itself.</source>
        <translation>場所を自分自身と比較することはできません。</translation>
    </message>
    <message>
        <source>A rule compares with good parts, with another place, or with time: one of them.</source>
        <translation>ルールの比較対象は、良品、別の場所、時間のうち一つだけです。</translation>
    </message>
    <message>
        <source>An approval needs the name of the person who gives it.</source>
        <translation>承認には、承認する人の名前が必要です。</translation>
    </message>
    <message>
        <source>Choose another layout.</source>
        <translation>別の形式を選んでください。</translation>
    </message>
    <message>
        <source>Choose one of: {names}, or the path of any other module.</source>
        <translation>次のいずれか、または他のモジュールのパスを指定してください：{names}。</translation>
    </message>
    <message>
        <source>Convert it to progressive frames, in MP4 with H.264 or in MKV with FFV1.</source>
        <translation>プログレッシブに変換し、H.264 の MP4 または FFV1 の MKV で保存してください。</translation>
    </message>
    <message>
        <source>Convert it with that SDK (dji_irp, action measure) or with DJI&apos;s thermal software to a TIFF of temperatures, and give that.</source>
        <translation>その SDK (dji_irp の measure) か DJI のソフトで温度の TIFF に変換し、それを指定してください。</translation>
    </message>
    <message>
        <source>Not inspected yet.</source>
        <translation>まだ検査していません。</translation>
    </message>
    <message>
        <source>Scores were calibrated: they are off by {after} points of 100 on average, {before} before; by chance alone it can be {chance}.</source>
        <translation>スコアを校正しました。ずれは平均 {after} ポイント(校正前 {before})です。偶然だけでも {chance} になり得ます。</translation>
    </message>
    <message>
        <source>Set devices to 1, or leave them out.</source>
        <translation>デバイスを 1 にするか、それらを外してください。</translation>
    </message>
    <message>
        <source>The demo line needs a recipe.</source>
        <translation>デモラインにはレシピが必要です。</translation>
    </message>
    <message>
        <source>The network {network} has no layer called {layer!r}.</source>
        <translation>ネットワーク {network} に {layer!r} という層はありません。</translation>
    </message>
    <message>
        <source>The options of the camera {camera} are not valid: {detail}.</source>
        <translation>カメラ {camera} のオプションが正しくありません：{detail}。</translation>
    </message>
    <message>
        <source>The picture of {camera} is frozen ({count} identical frames).</source>
        <translation>{camera} の画像が固まっています（同一フレーム {count} 枚）。</translation>
    </message>
    <message>
        <source>The picture {file} cannot be written.</source>
        <translation>画像 {file} に書き込めません。</translation>
    </message>
    <message>
        <source>The picture {file} shows the window as it was then.</source>
        <translation>{file} はその時点の画面です。</translation>
    </message>
    <message>
        <source>The recipe has no rule for the bundle {bundle}.</source>
        <translation>レシピにバンドル {bundle} の判定ルールがありません。</translation>
    </message>
    <message>
        <source>The recipe {file} cannot be read ({detail}).</source>
        <translation>レシピ {file} を読み取れません（{detail}）。</translation>
    </message>
    <message>
        <source>The recipe {file} is not TOML: {detail}.</source>
        <translation>レシピ {file} が TOML 形式ではありません：{detail}。</translation>
    </message>
    <message>
        <source>The recipe {file} is not valid: {detail}.</source>
        <translation>レシピ {file} が正しくありません：{detail}。</translation>
    </message>
    <message>
        <source>The recipe {recipe} has a rule for the class {class_name}, which {bundle} does not know.</source>
        <translation>レシピ {recipe} に、{bundle} にないクラス {class_name} の判定ルールがあります。</translation>
    </message>
    <message>
        <source>The recipe {recipe} has a rule on {quantity} for {bundle}, which is a {task} bundle.</source>
        <translation>レシピ {recipe} に、{bundle}（{task}）では使えない {quantity} の判定ルールがあります。</translation>
    </message>
    <message>
        <source>The recipe {recipe} has no camera {camera}.</source>
        <translation>レシピ {recipe} にカメラ {camera} はありません。</translation>
    </message>
    <message>
        <source>The recipe {recipe} inspects nothing on the camera {camera}.</source>
        <translation>レシピ {recipe} はカメラ {camera} では何も検査しません。</translation>
    </message>
    <message>
        <source>The record of {part} is too old for a heat map.</source>
        <translation>{part}の記録は古いため、ヒートマップを保存できません。</translation>
    </message>
    <message>
        <source>The recording holds {count} bytes that are no whole image.</source>
        <translation>この記録には、完全な画像ではないデータが {count} バイト含まれています。</translation>
    </message>
    <message>
        <source>The region {x},{y},{w},{h} does not fit into a frame of {width} x {height} pixels.</source>
        <translation>領域 {x},{y},{w},{h} は {width} x {height} 画素のフレームに収まりません。</translation>
    </message>
    <message>
        <source>The rule on {quantity} does not fit the bundle {bundle} ({task}).</source>
        <translation>{quantity} の判定ルールはバンドル {bundle}（{task}）に合いません。</translation>
    </message>
    <message>
        <source>The scores stay as they are: calibrating them would gain no more than chance does.</source>
        <translation>スコアはそのままです。校正しても偶然以上の改善はありません。</translation>
    </message>
    <message>
        <source>The station is behind: {count} {count:|part waits|parts wait} already.</source>
        <translation>検査が追いついていません。すでに {count} 個が待っています。</translation>
    </message>
    <message>
        <source>The station is not in triggered mode.</source>
        <translation>トリガーモードではありません。</translation>
    </message>
    <message>
        <source>The station is not running yet.</source>
        <translation>まだ運転していません。</translation>
    </message>
    <message>
        <source>The station was stopped before this part was inspected.</source>
        <translation>この部品を検査する前に停止しました。</translation>
    </message>
    <message>
        <source>The takt of {takt:.0f} ms allows {width} x {height} px with this network, which computes about {ms:.0f} ms a part here; small defects are told worse.</source>
        <translation>タクト {takt:.0f} ms では、このネットワークで {width} x {height} px までです(1 個あたり約 {ms:.0f} ms)。小さな欠陥は見分けにくくなります。</translation>
    </message>
    <message>
        <source>The thermal data in {file} cannot be read ({detail}).</source>
        <translation>{file} の温度データを読み取れません（{detail}）。</translation>
    </message>
    <message>
        <source>The training in {folder} is still going on.</source>
        <translation>{folder} の学習はまだ続いています。</translation>
    </message>
    <message>
        <source>The training was interrupted: its process was gone without a word.</source>
        <translation>学習が中断されました。プロセスが何も伝えずになくなりました。</translation>
    </message>
    <message>
        <source>The video {file} is cut short: it ends after {shown} frames.</source>
        <translation>動画 {file} は途中で切れています: {shown} フレームで終わります。</translation>
    </message>
    <message>
        <source>The work stopped with an internal error ({name}: {detail}).</source>
        <translation>内部エラーで処理が停止しました({name}: {detail})。</translation>
    </message>
    <message>
        <source>The worker process was killed ({how}), perhaps because memory ran out.</source>
        <translation>ワーカープロセスが強制終了されました({how})。メモリー不足の可能性があります。</translation>
    </message>
    <message>
        <source>There is no file {file} with weights to start from.</source>
        <translation>初期重みのファイル {file} がありません。</translation>
    </message>
    <message>
        <source>There is no folder {folder}.</source>
        <translation>フォルダー {folder} がありません。</translation>
    </message>
    <message>
        <source>There is too little free space in {folder}: the training needs about {needed:.0f} MB, and {free:.0f} MB are free.</source>
        <translation>{folder} の空き容量が足りません。学習には約 {needed:.0f} MB 必要ですが、空きは {free:.0f} MB です。</translation>
    </message>
    <message>
        <source>Thin objects are about {width:.2g} px wide, and only {thin:.2g} px in an input of {side} px, where they are hard to see: cut the images into pieces, or let the camera look closer.</source>
        <translation>細い対象の幅は約 {width:.2g} px ですが、{side} px の入力では {thin:.2g} px しかなく、見えにくくなります。画像を分割するか、カメラを近づけてください。</translation>
    </message>
    <message>
        <source>Thin objects are about {width:.2g} px wide, and {thin:.2g} px in an input of {side} px.</source>
        <translation>細い対象の幅は約 {width:.2g} px で、{side} px の入力では {thin:.2g} px になります。</translation>
    </message>
    <message>
        <source>This computer is busy now: other programs use {used:.1f} of {cores} cores. Until they end it takes about {times:.2g} times as long.</source>
        <translation>このコンピューターは現在忙しい状態です。ほかのプログラムが {cores} コア中 {used:.1f} コアを使っています。それらが終わるまで約 {times:.2g} 倍の時間がかかります。</translation>
    </message>
    <message>
        <source>Train it again, or confirm that it is to be used nevertheless.</source>
        <translation>学習し直すか、それでも使うことを確認してください。</translation>
    </message>
    <message>
        <source>Training needs packages that are not installed. Install them from the program&apos;s folder: packaging/run.sh --with train (Windows: run.ps1).</source>
        <translation>学習に必要なパッケージがインストールされていません。プログラムのフォルダーで packaging/run.sh --with train(Windows: run.ps1)を実行してください。</translation>
    </message>
    <message>
        <source>Type the whole address again.</source>
        <translation>アドレス全体をもう一度入力してください。</translation>
    </message>
    <message>
        <source>Use a PNG, JPEG, JPEG 2000, TIFF, BMP, WebP, GIF or PNM file.</source>
        <translation>PNG、JPEG、JPEG 2000、TIFF、BMP、WebP、GIF、PNM のいずれかのファイルを使用してください。</translation>
    </message>
    <message>
        <source>Use one of: {known}.</source>
        <translation>次のいずれかを使ってください: {known}。</translation>
    </message>
    <message>
        <source>Use the version of this program that wrote it, or a newer one.</source>
        <translation>それを書き込んだバージョン以降のプログラムを使ってください。</translation>
    </message>
    <message>
        <source>VGG Image Annotator</source>
        <translation>VGG Image Annotator</translation>
    </message>
    <message>
        <source>VoTT</source>
        <translation>VoTT</translation>
    </message>
    <message>
        <source>Write masks.</source>
        <translation>マスクとして書き出してください。</translation>
    </message>
    <message>
        <source>a .csv with a line an object: image, class, xmin, ymin, xmax, ymax</source>
        <translation>物体ごとに 1 行の .csv: image, class, xmin, ymin, xmax, ymax</translation>
    </message>
    <message>
        <source>a .csv with the columns path and label, and perhaps group, split and confidence</source>
        <translation>path と label の列（必要なら group、split、confidence も）がある .csv</translation>
    </message>
    <message>
        <source>a .json exported by Label Studio, and the images</source>
        <translation>Label Studio から出力した .json と画像</translation>
    </message>
    <message>
        <source>a .json of Create ML lists {count} of the images</source>
        <translation>Create ML の .json に画像のうち {count} 枚が記載されています</translation>
    </message>
    <message>
        <source>a .json of Create ML with image and annotations, and the images</source>
        <translation>image と annotations を含む Create ML の .json と画像</translation>
    </message>
    <message>
        <source>a .json of Datumaro lists {count} of the images</source>
        <translation>Datumaro の .json に画像のうち {count} 枚が記載されています</translation>
    </message>
    <message>
        <source>a .json of Label Studio lists {count} of the images</source>
        <translation>Label Studio の .json に画像のうち {count} 枚が記載されています</translation>
    </message>
    <message>
        <source>a .json of the VGG Image Annotator lists {count} of the images</source>
        <translation>VGG Image Annotator の .json に画像のうち {count} 枚が記載されています</translation>
    </message>
    <message>
        <source>a .json of the VGG Image Annotator, and the images</source>
        <translation>VGG Image Annotator の .json と画像</translation>
    </message>
    <message>
        <source>a labelme .json of the same name for each image</source>
        <translation>画像ごとに同じ名前の labelme の .json</translation>
    </message>
    <message>
        <source>an .xml of CVAT lists {count} of the images</source>
        <translation>CVAT の .xml に画像のうち {count} 枚が記載されています</translation>
    </message>
    <message>
        <source>an annotations.xml of CVAT for images, and the images</source>
        <translation>CVAT for images の annotations.xml と画像</translation>
    </message>
    <message>
        <source>annotations/ with a .json of Datumaro for each part, and images/</source>
        <translation>分割ごとに Datumaro の .json が入った annotations/ と images/</translation>
    </message>
    <message>
        <source>images/ and masks/ with a mask of the same name for each image (.png, .tif or .bmp)</source>
        <translation>images/ と、画像ごとに同じ名前のマスク (.png、.tif、.bmp) が入った masks/</translation>
    </message>
    <message>
        <source>img/ with the images and ann/ with a Supervisely .json for each</source>
        <translation>画像の入った img/ と、画像ごとの Supervisely の .json が入った ann/</translation>
    </message>
    <message>
        <source>{count} {count:|image is|images are} not in the folders that {file} names; {count:|it was found by its name|they were found by their names} alone.</source>
        <translation>{count} 枚の画像は {file} に書かれたフォルダーにありません。ファイル名だけで見つけました。</translation>
    </message>
    <message>
        <source>{file} cannot be read any more ({detail}).</source>
        <translation>{file} を読み取れなくなりました ({detail})。</translation>
    </message>
    <message>
        <source>{file} has a name with characters that cannot be used; rename it.</source>
        <translation>{file} の名前には使えない文字があります。名前を変えてください。</translation>
    </message>
    <message>
        <source>{file} holds several recordings one behind the other; only the first was read, of {shown} frames.</source>
        <translation>{file} には複数の録画が続けて入っています。最初の {shown} フレームの録画だけを読み込みました。</translation>
    </message>
    <message>
        <source>{file} holds values from {low:g} to {high:g}, which are no temperatures of a scene in kelvin ({least:.0f} to {most:.0f}).</source>
        <translation>{file} の値は {low:g} から {high:g} で、ケルビンの温度（{least:.0f}～{most:.0f}）ではありません。</translation>
    </message>
    <message>
        <source>{file} holds values from {low:g} to {high:g}: read as kelvin {cold:.0f} to {hot:.0f} °C, read as Celsius {low:.0f} to {high:.0f} °C; nothing says which.</source>
        <translation>{file} の値は {low:g} から {high:g} です。ケルビンとして読むと {cold:.0f}～{hot:.0f} °C、摂氏として読むと {low:.0f}～{high:.0f} °C で、どちらかを示す情報がありません。</translation>
    </message>
    <message>
        <source>{file} holds video of the kind {codec}, which cannot be decoded here.</source>
        <translation>{file} の動画形式 {codec} はここでは復号できません。</translation>
    </message>
    <message>
        <source>{file} is a DJI thermal picture in DJI&apos;s own format. Only the DJI Thermal SDK knows what its values mean; it is missing here.</source>
        <translation>{file} は DJI 独自形式の熱画像です。値の意味は DJI Thermal SDK だけが解釈できますが、ここにはありません。</translation>
    </message>
    <message>
        <source>{file} is not a text in UTF-8 (byte {place} does not fit).</source>
        <translation>{file} は UTF-8 のテキストではありません ({place} バイト目が不正)。</translation>
    </message>
    <message>
        <source>{file} is of {name}, but nothing is drawn in its mask; it counts as free of defects.</source>
        <translation>{file} は {name} ですが、マスクに何も描かれていません。欠陥なしとして扱います。</translation>
    </message>
    <message>
        <source>{file} is turned upright, as its camera noted; its labels count as drawn on the upright picture.</source>
        <translation>{file} はカメラの記録に従って正しい向きに回転します。ラベルは回転後の画像に描かれたものとして扱います。</translation>
    </message>
    <message>
        <source>{file}: a shape without area ({kind}) is left out.</source>
        <translation>{file}: 面積のない図形 ({kind}) は除外します。</translation>
    </message>
    <message>
        <source>{file}: an object without a class is left out.</source>
        <translation>{file}: クラスのない物体は除外します。</translation>
    </message>
    <message>
        <source>{file}: {count} annotations are of images or categories that it does not list; such images are not used.</source>
        <translation>{file}：一覧にない画像またはカテゴリーの注釈が {count} 件あります。そのような画像は使いません。</translation>
    </message>
    <message>
        <source>{folder} has {count} {count:|image|images}, but nothing says what they show.</source>
        <translation>{folder} には画像が {count} 枚ありますが、何が写っているかを示すものがありません。</translation>
    </message>
    <message>
        <source>{folder} holds several data sets: {names}.</source>
        <translation>{folder} には複数のデータセットがあります: {names}。</translation>
    </message>
    <message>
        <source>{folder} is too deep inside to be looked at.</source>
        <translation>{folder} は階層が深すぎるため調べません。</translation>
    </message>
    <message>
        <source>{name} is in no training image of the data&apos;s own split, so it cannot be learnt.</source>
        <translation>{name} はデータ自身の分割では学習画像に 1 枚もないため、学習できません。</translation>
    </message>
    <message>
        <source>{name} score {value} &lt; {limit}</source>
        <translation>{name}のスコア {value} ＜ {limit}</translation>
    </message>
    <message>
        <source>{name} score {value} &gt; {limit}</source>
        <translation>{name}のスコア {value} ＞ {limit}</translation>
    </message>
    <message>
        <source>{name} {value} mm2 &lt; {limit} mm2</source>
        <translation>{name} {value} mm² ＜ {limit} mm²</translation>
    </message>
    <message>
        <source>{name} {value} mm2 &gt; {limit} mm2</source>
        <translation>{name} {value} mm² ＞ {limit} mm²</translation>
    </message>
    <message>
        <source>{name} {value} px &lt; {limit} px</source>
        <translation>{name} {value} px ＜ {limit} px</translation>
    </message>
    <message>
        <source>{name} {value} px &gt; {limit} px</source>
        <translation>{name} {value} px ＞ {limit} px</translation>
    </message>
    <message>
        <source>{name}: {value} found, fewer than {limit}</source>
        <translation>{name} {value} 個（下限 {limit} 個）</translation>
    </message>
    <message>
        <source>{name}: {value} found, more than {limit}</source>
        <translation>{name} {value} 個（上限 {limit} 個）</translation>
    </message>
    <message>
        <source>{share} of the heat for {name} lies at {area} (left, top, width and height in percent of the input), where no defect is. Covering it lowers the score by {effect}, covering as much elsewhere by {control}. Train with it covered.</source>
        <translation>{name} への注目の {share} が、欠陥のない {area}（左、上、幅、高さ。入力に対する %）にあります。そこを覆うとスコアが {effect} 下がり、別の場所を同じだけ覆うと {control} 下がります。そこを覆って学習してください。</translation>
    </message>
    <message>
        <source>{text!r} is not an input size.</source>
        <translation>{text!r} は入力サイズではありません。</translation>
    </message>
    <message>
        <source>{text!r} is not an option.</source>
        <translation>{text!r} はオプションではありません。</translation>
    </message>
    <message>
        <source>{trade} It learns from nothing, which needs many more images.</source>
        <translation>{trade} ゼロから学習するため、はるかに多くの画像が必要です。</translation>
    </message>
    <message>
        <source>{value} % of all images are left for a person to review.</source>
        <translation>全画像の {value} % は人の確認に回されます。</translation>
    </message>
    <message>
        <source>{value} % of the labelled objects were found (95 % confidence: {low} to {high} %), and {right} % of the boxes are right.</source>
        <translation>ラベル付けされた対象の {value} % を検出しました（95 % 信頼区間：{low}〜{high} %）。枠の {right} % が正しいものでした。</translation>
    </message>
    <message>
        <source>{value} % of {count} defective {count:|image passes|images pass} as good (95 % confidence: {low} to {high} %).</source>
        <translation>不良画像 {count} 枚のうち {value} % が良品として通ります（95 % 信頼区間：{low}〜{high} %）。</translation>
    </message>
    <message>
        <source>{value} % of {count} {count:|image was|images were} recognised (95 % confidence: {low} to {high} %).</source>
        <translation>{count} 枚の画像のうち {value} % を正しく認識しました（95 % 信頼区間：{low}〜{high} %）。</translation>
    </message>
    <message>
        <source>{value} hot spots, fewer than {limit}</source>
        <translation>ホットスポット {value} 個（下限 {limit} 個）</translation>
    </message>
    <message>
        <source>{value} hot spots, more than {limit}</source>
        <translation>ホットスポット {value} 個（上限 {limit} 個）</translation>
    </message>
    <message>
        <source>The verdict came after {latency:.0f} ms, later than the deadline of {limit:.0f} ms.</source>
        <translation>判定に {latency:.0f} ms かかり、期限の {limit:.0f} ms を過ぎました。</translation>
    </message>
    <message>
        <source>A hot spot needs a difference above 0 K and a radius of at least 1 pixel ({delta:g} K, {radius}).</source>
        <translation>ホットスポットには 0 K を超える差と 1 ピクセル以上の半径が必要です({delta:g} K、{radius})。</translation>
    </message>
    <message>
        <source>A picture of the camera cannot be decoded.</source>
        <translation>カメラの画像を復号できません。</translation>
    </message>
    <message>
        <source>A polygon needs at least 3 points; there are {count}.</source>
        <translation>多角形には 3 点以上が必要です(現在 {count} 点)。</translation>
    </message>
    <message>
        <source>A score is the mean over four mirrored views, which steadies it; a part then computes {ms:.0f} ms.</source>
        <translation>スコアは鏡像 4 通りの平均で安定させます。1 個あたりの計算時間は {ms:.0f} ms になります。</translation>
    </message>
    <message>
        <source>About {epochs} {epochs:|epoch fits|epochs fit} into the time, with which the learning ends; {wanted} would be better.</source>
        <translation>時間内に収まるのは約 {epochs} エポックで、学習は時間とともに終わります。{wanted} エポックあればより良くなります。</translation>
    </message>
    <message>
        <source>Add kpt_shape to data.yaml, or export boxes or polygons.</source>
        <translation>data.yaml に kpt_shape を追加するか、枠または多角形として書き出してください。</translation>
    </message>
    <message>
        <source>After {epochs} {epochs:|epoch|epochs} the network finds nothing in the validation images ({name} {value}).</source>
        <translation>{epochs} エポック後も、検証画像から何も検出できていません({name} {value})。</translation>
    </message>
    <message>
        <source>After {epochs} {epochs:|epoch|epochs} the network has learnt nothing: {name} on validation images is {value}, and answers that ignore the image reach {chance}.</source>
        <translation>{epochs} エポック後も何も学習できていません。検証画像での {name} は {value} ですが、画像を見ない回答でも {chance} に達します。</translation>
    </message>
    <message>
        <source>Another bundle is in {folder} now than the one that was looked at.</source>
        <translation>{folder} にあるバンドルは、確認したときのものと異なります。</translation>
    </message>
    <message>
        <source>Bands beside its colours are left out: {count}.</source>
        <translation>色以外のバンドは使用しません（{count} 個）。</translation>
    </message>
    <message>
        <source>Bring the images that the labels were drawn on, or export the labels again for these.</source>
        <translation>ラベルを描いた元の画像を用意するか、これらの画像用にラベルを書き出し直してください。</translation>
    </message>
    <message>
        <source>By the clock, old images were last deleted {days} days ago: nothing is deleted for its age until that is confirmed.</source>
        <translation>時計によると、古い画像を最後に削除したのは {days} 日前です。確認されるまで、保存期間による削除は行いません。</translation>
    </message>
    <message>
        <source>COCO files list other images than those that are here</source>
        <translation>COCO ファイルに記載された画像は、ここにある画像とは別のものです</translation>
    </message>
    <message>
        <source>Check that disk or network share.</source>
        <translation>そのディスクまたはネットワーク共有を確認してください。</translation>
    </message>
    <message>
        <source>Check the address.</source>
        <translation>アドレスを確認してください。</translation>
    </message>
    <message>
        <source>Check the camera and its network.</source>
        <translation>カメラとネットワークを確認してください。</translation>
    </message>
    <message>
        <source>Check the disk or the server. Records wait in the journal meanwhile.</source>
        <translation>ディスクまたはサーバーを確認してください。その間、記録はジャーナルで待機します。</translation>
    </message>
    <message>
        <source>Check the disk, or what else it is written to.</source>
        <translation>書き込み先のディスクなどを確認してください。</translation>
    </message>
    <message>
        <source>Check the disk: free some space on it, or replace it.</source>
        <translation>ディスクを確認してください。空きを増やすか、交換してください。</translation>
    </message>
    <message>
        <source>Check the emissivity, the reflected temperature and the distance.</source>
        <translation>放射率、反射温度、距離を確認してください。</translation>
    </message>
    <message>
        <source>Check the network and the load of the camera; shorten its key frame interval.</source>
        <translation>ネットワークとカメラの負荷を確認し、キーフレーム間隔を短くしてください。</translation>
    </message>
    <message>
        <source>Check the path of the address.</source>
        <translation>アドレスのパスを確認してください。</translation>
    </message>
    <message>
        <source>Choose a new file in a folder that this user may write to.</source>
        <translation>このユーザーが書き込めるフォルダーの新しいファイルを選んでください。</translation>
    </message>
    <message>
        <source>Choose a smaller --tile, or leave it out.</source>
        <translation>より小さい --tile を選ぶか、指定しないでください。</translation>
    </message>
    <message>
        <source>Choose inspections of one recipe revision.</source>
        <translation>同じレシピ改訂の検査を選んでください。</translation>
    </message>
    <message>
        <source>Compare it again.</source>
        <translation>もう一度比較してください。</translation>
    </message>
    <message>
        <source>Connect its disk or its share again. If it is gone for good, choose another one and restore a back-up.</source>
        <translation>そのディスクまたは共有を接続し直してください。元に戻らない場合は、別の場所を選び、バックアップから復元してください。</translation>
    </message>
    <message>
        <source>Convert it to MP4 with H.264, or to MKV with FFV1.</source>
        <translation>H.264 の MP4 か FFV1 の MKV に変換してください。</translation>
    </message>
    <message>
        <source>Copy it again.</source>
        <translation>もう一度コピーしてください。</translation>
    </message>
    <message>
        <source>Copy the video again.</source>
        <translation>動画をもう一度コピーしてください。</translation>
    </message>
    <message>
        <source>Copy the video again; it is damaged or was changed meanwhile.</source>
        <translation>動画をもう一度コピーしてください。壊れているか、途中で変更されました。</translation>
    </message>
    <message>
        <source>Delete {file}. Files that are in the folder then are inspected again.</source>
        <translation>{file} を削除してください。その時点でフォルダーにあるファイルはもう一度検査されます。</translation>
    </message>
    <message>
        <source>Each kind of defect by itself: tells them apart, but finds the rare ones less surely.</source>
        <translation>欠陥を種類ごとに学習: 種類を区別できますが、まれな欠陥は見つけにくくなります。</translation>
    </message>
    <message>
        <source>Enter a number.</source>
        <translation>数値を入力してください。</translation>
    </message>
    <message>
        <source>Enter a whole number.</source>
        <translation>整数を入力してください。</translation>
    </message>
    <message>
        <source>Export it again: yolo export format=onnx.</source>
        <translation>書き出し直してください: yolo export format=onnx</translation>
    </message>
    <message>
        <source>Export it for one picture, or for any number.</source>
        <translation>1 枚用、または任意の枚数用に書き出してください。</translation>
    </message>
    <message>
        <source>Export it with a post-processor that normalises, after it was validated.</source>
        <translation>検証の後、正規化する後処理を付けて書き出してください。</translation>
    </message>
    <message>
        <source>Export it with its weights inside the file.</source>
        <translation>重みをファイルに含めて書き出してください。</translation>
    </message>
    <message>
        <source>Export it with opset=17.</source>
        <translation>opset=17 で書き出してください。</translation>
    </message>
    <message>
        <source>Export it: inspector export --model {bundle} --engine {engine} --precision {precision}.</source>
        <translation>書き出してください：inspector export --model {bundle} --engine {engine} --precision {precision}</translation>
    </message>
    <message>
        <source>Export it: inspector export --model {folder} --engine {engine} --precision {precision}.</source>
        <translation>書き出してください：inspector export --model {folder} --engine {engine} --precision {precision}</translation>
    </message>
    <message>
        <source>Export the bundle again, or use the precision fp32.</source>
        <translation>バンドルをもう一度書き出すか、精度 fp32 を使ってください。</translation>
    </message>
    <message>
        <source>Four mirrored views a part: steadier scores for four times the computing time.</source>
        <translation>1 個につき鏡像 4 通り: 計算時間は 4 倍ですが、スコアが安定します。</translation>
    </message>
    <message>
        <source>Free some space on that disk, and check that this user may write there.</source>
        <translation>そのディスクの空き容量を増やし、このユーザーに書き込み権限があるか確認してください。</translation>
    </message>
    <message>
        <source>Free some space on that disk, or let the archive delete what is old.</source>
        <translation>そのディスクの空きを増やすか、古いものをアーカイブに削除させてください。</translation>
    </message>
    <message>
        <source>Free some space, or export it into another folder: --out DIR.</source>
        <translation>空き容量を増やすか、別のフォルダーに書き出してください（--out DIR）。</translation>
    </message>
    <message>
        <source>From about epoch {epoch} on the loss on validation images rose, from {low} to {last}, while that on training images fell: the network learns those by heart. More images or stronger augmentation would help; the weights of epoch {best} were kept.</source>
        <translation>エポック {epoch} あたりから、学習画像の損失は下がり続けたのに、検証画像の損失は {low} から {last} へ上がりました。ネットワークが学習画像を丸暗記しています。画像を増やすか、データ拡張を強めると改善します。エポック {best} の重みを残しました。</translation>
    </message>
    <message>
        <source>Give a URL like postgresql://user:password@server/archive, and install its driver.</source>
        <translation>postgresql://user:password@server/archive のような URL を指定し、ドライバーをインストールしてください。</translation>
    </message>
    <message>
        <source>Give a folder with images of good and bad parts.</source>
        <translation>良品と不良品の画像が入ったフォルダーを指定してください。</translation>
    </message>
    <message>
        <source>Give a folder with images of good and bad parts: --calibration DIR.</source>
        <translation>良品と不良品の画像が入ったフォルダーを指定してください（--calibration DIR）。</translation>
    </message>
    <message>
        <source>Give a folder with pictures of parts, good and bad: --images FOLDER.</source>
        <translation>良品と不良品の画像のフォルダーを指定してください: --images FOLDER</translation>
    </message>
    <message>
        <source>Give a frame of the other kind.</source>
        <translation>もう一方の種類のフレームを指定してください。</translation>
    </message>
    <message>
        <source>Give it as tcp://HOST:PORT.</source>
        <translation>tcp://ホスト:ポート の形で指定してください。</translation>
    </message>
    <message>
        <source>Give it: --size WIDTHxHEIGHT.</source>
        <translation>指定してください: --size WIDTHxHEIGHT</translation>
    </message>
    <message>
        <source>Give positions inside it; the first pixel is 0,0.</source>
        <translation>画像内の位置を指定してください。最初のピクセルは 0,0 です。</translation>
    </message>
    <message>
        <source>Give their names, one a line, in the order that the network was trained with: --classes FILE.</source>
        <translation>学習時の順に、クラス名を 1 行に 1 つ書いて指定してください: --classes FILE</translation>
    </message>
    <message>
        <source>Give their names, one a line: --classes FILE.</source>
        <translation>クラス名を 1 行に 1 つ書いて指定してください: --classes FILE</translation>
    </message>
    <message>
        <source>Go on from the last epoch; if it happens again, please report it with the details.</source>
        <translation>最後のエポックから続けてください。再び起きる場合は、詳細を添えて報告してください。</translation>
    </message>
    <message>
        <source>If the change is meant, accept it: inspector bundle accept {bundle}.</source>
        <translation>意図した変更であれば承認してください: inspector bundle accept {bundle}</translation>
    </message>
    <message>
        <source>Images are learnt and inspected in tiles of {size} px, in which small objects are seen better; the {count} tiles of a part compute {ms:.0f} ms.</source>
        <translation>小さな対象がよりよく見えるように、画像を {size} px のタイルに分けて学習・検査します。1 部品のタイル {count} 枚の計算に {ms:.0f} ms かかります。</translation>
    </message>
    <message>
        <source>Images are not kept: the disk of {folder} is nearly full, and what is left is for records.</source>
        <translation>画像は保存されません。{folder} のディスクがほぼ満杯で、残りは記録用です。</translation>
    </message>
    <message>
        <source>Import it again with at least twice as many pictures: --images FOLDER.</source>
        <translation>その 2 倍以上の画像を付けて取り込み直してください: --images FOLDER</translation>
    </message>
    <message>
        <source>In {count} tiles of {size} px they would be seen better, but a part would compute {ms:.0f} ms, more than half of the takt of {takt:.0f} ms.</source>
        <translation>{size} px のタイル {count} 枚に分けるとよりよく見えますが、1 部品の計算に {ms:.0f} ms かかり、タクト {takt:.0f} ms の半分を超えます。</translation>
    </message>
    <message>
        <source>Inspection {key} is missing in the table of results.</source>
        <translation>検査 {key} が結果の表にありません。</translation>
    </message>
    <message>
        <source>Inspection {key}: {names} differ from its record.</source>
        <translation>検査 {key}: {names} が記録と異なります。</translation>
    </message>
    <message>
        <source>Inspection {name} has no correction to take back.</source>
        <translation>検査 {name} には取り消す訂正がありません。</translation>
    </message>
    <message>
        <source>Install it from the program&apos;s folder: packaging/run.sh --with train (Windows: run.ps1).</source>
        <translation>プログラムのフォルダーからインストールしてください：packaging/run.sh --with train（Windows では run.ps1）。</translation>
    </message>
    <message>
        <source>Install that version again.</source>
        <translation>そのバージョンをもう一度インストールしてください。</translation>
    </message>
    <message>
        <source>Install that version here, or train or export the bundle with this one.</source>
        <translation>そのバージョンをここにインストールするか、このバージョンで学習または書き出してください。</translation>
    </message>
    <message>
        <source>Install that version here.</source>
        <translation>そのバージョンをここにインストールしてください。</translation>
    </message>
    <message>
        <source>Install the extra gpu on a machine with such a card, or use openvino.</source>
        <translation>そのようなカードのあるコンピューターに追加パッケージ gpu をインストールするか、openvino を使ってください。</translation>
    </message>
    <message>
        <source>Install the training pack, {pack}.</source>
        <translation>学習パック（{pack}）をインストールしてください。</translation>
    </message>
    <message>
        <source>It is made when a line runs: inspector run, or the window.</source>
        <translation>ラインを動かすと作られます(inspector run またはウィンドウ)。</translation>
    </message>
    <message>
        <source>It is not written in the form that is asked for.</source>
        <translation>指定された書式で書かれていません。</translation>
    </message>
    <message>
        <source>It may not be used.</source>
        <translation>使用できません。</translation>
    </message>
    <message>
        <source>It must be given.</source>
        <translation>必ず指定してください。</translation>
    </message>
    <message>
        <source>It must not be empty.</source>
        <translation>空にはできません。</translation>
    </message>
    <message>
        <source>It runs again at the next start. If the computer is not busy then, install the program again.</source>
        <translation>次の起動時にもう一度実行されます。そのときコンピューターがほかの処理で忙しくなければ、プログラムをもう一度インストールしてください。</translation>
    </message>
    <message>
        <source>It was made with a newer version: install that here, or export the bundle with this one.</source>
        <translation>より新しいバージョンで作られています。そのバージョンをここにインストールするか、このバージョンでバンドルを書き出してください。</translation>
    </message>
    <message>
        <source>Journal {journal}: record {sequence} does not follow the one before it: one was changed or inserted.</source>
        <translation>ジャーナル {journal}: 記録 {sequence} が前の記録につながりません。変更または挿入されています。</translation>
    </message>
    <message>
        <source>Journal {journal}: the records {first} to {last} are missing.</source>
        <translation>ジャーナル {journal}: 記録 {first} から {last} がありません。</translation>
    </message>
    <message>
        <source>Journal {journal}: the seal of record {sequence} is not the station&apos;s.</source>
        <translation>ジャーナル {journal}: 記録 {sequence} の署名がこのステーションのものではありません。</translation>
    </message>
    <message>
        <source>Judge the frames of all its cameras together.</source>
        <translation>すべてのカメラのフレームを一緒に判定してください。</translation>
    </message>
    <message>
        <source>Keep one folder of masks, or draw each object under its class only.</source>
        <translation>マスクのフォルダーを一つにするか、各対象をそのクラスにだけ描いてください。</translation>
    </message>
    <message>
        <source>Known are: {families}.</source>
        <translation>知られているもの: {families}。</translation>
    </message>
    <message>
        <source>Leave out --tile.</source>
        <translation>--tile を指定しないでください。</translation>
    </message>
    <message>
        <source>Leave out the tiles in the recipe, or use a bundle that finds boxes or masks.</source>
        <translation>レシピからタイルを除くか、枠またはマスクを見つけるバンドルを使ってください。</translation>
    </message>
    <message>
        <source>Leave them out, or give the file as the thermal camera saved it.</source>
        <translation>指定しないか、サーモカメラが保存したままのファイルを指定してください。</translation>
    </message>
    <message>
        <source>Make a pair of keys with: inspector bundle make-key FILE.</source>
        <translation>鍵の組を作成してください: inspector bundle make-key FILE</translation>
    </message>
    <message>
        <source>Maps of its brightness or depth are left out: {count}.</source>
        <translation>明るさまたは奥行きのマップは除外しました: {count} 件。</translation>
    </message>
    <message>
        <source>Move it away first.</source>
        <translation>先に移動してください。</translation>
    </message>
    <message>
        <source>Name a new folder.</source>
        <translation>新しいフォルダーを指定してください。</translation>
    </message>
    <message>
        <source>Neither memory nor {folder} has room for more than {count} prepared images; the others are prepared anew in every epoch, which takes longer.</source>
        <translation>準備済み画像は、メモリにも {folder} にも {count} 枚までしか入りません。残りはエポックごとに準備し直すため、時間が長くかかります。</translation>
    </message>
    <message>
        <source>No bundle looks at the camera {camera}.</source>
        <translation>カメラ {camera} を調べるバンドルがありません。</translation>
    </message>
    <message>
        <source>No image is as large as a tile of {size} px.</source>
        <translation>{size} px のタイル以上の大きさの画像がありません。</translation>
    </message>
    <message>
        <source>No layer of the bundle can compute in eight bits: with any of them it judges differently than it was trained to.</source>
        <translation>このバンドルには 8 ビットで計算できる層がありません。どの層を 8 ビットにしても、学習した判定と異なります。</translation>
    </message>
    <message>
        <source>No object is labelled in {count} {count:|image|images}: for classification {count:|it is|they are} of the class {name}.</source>
        <translation>{count} 枚の画像には対象物のラベルがありません。分類ではクラス {name} として扱います。</translation>
    </message>
    <message>
        <source>No variant of these bundles could be measured on this computer.</source>
        <translation>このコンピューターで測定できるバリアントがありません。</translation>
    </message>
    <message>
        <source>None is lost: they are in the journal, and come when the line rests. If it never does, give each part more time, or the station a faster processor.</source>
        <translation>失われた部品はありません。記録はジャーナルにあり、ラインが休止すると取り込まれます。休止しない場合は、部品ごとの時間を長くするか、より速いプロセッサーを使用してください。</translation>
    </message>
    <message>
        <source>None of these parts can be written with boxes or masks.</source>
        <translation>枠やマスクを付けて書き出せる部品がありません。</translation>
    </message>
    <message>
        <source>None of these parts is corrected and has a picture.</source>
        <translation>訂正済みで画像のある部品がありません。</translation>
    </message>
    <message>
        <source>Nothing keeps the takt of {takt:.0f} ms with head-room; {variants} on {threads} threads is the quickest: 99 of 100 parts take at most {p99:.1f} ms.</source>
        <translation>タクト {takt:.0f} ms を余裕をもって守れるものはありません。最も速いのは {variants}（{threads} スレッド）で、100 個中 99 個の部品が {p99:.1f} ms 以内です。</translation>
    </message>
    <message>
        <source>Of {name} there {count:|is|are} only {count} {count:|image|images}, too few to tell the kinds of defects apart by pixels: all are learnt as one, which finds them better.</source>
        <translation>{name} の画像は {count} 枚しかなく、欠陥の種類を画素単位で区別するには少なすぎます。すべてを 1 種類として学習すると、見つけやすくなります。</translation>
    </message>
    <message>
        <source>One fold is no cross-validation: give 0 for none, or 2 and more.</source>
        <translation>分割数 1 では交差検証になりません。行わない場合は 0、行う場合は 2 以上を指定してください。</translation>
    </message>
    <message>
        <source>One view a part: a quarter of the computing time, and scores that are less steady.</source>
        <translation>1 個につき 1 通り: 計算時間は 4 分の 1 ですが、スコアの安定性は下がります。</translation>
    </message>
    <message>
        <source>Only the outputs 0, 1 and 2 of a thermal bundle can be explained by number.</source>
        <translation>番号で説明できるのは、温度バンドルの出力 0、1、2 だけです。</translation>
    </message>
    <message>
        <source>Only what is there is measured: an export needs the Python package {package}, which is not installed. Install it from the program&apos;s folder: packaging/run.sh --with train (Windows: run.ps1).</source>
        <translation>すでにあるものだけを測定します。書き出しには Python パッケージ {package} が必要ですが、インストールされていません。プログラムのフォルダーから packaging/run.sh --with train（Windows では run.ps1）でインストールしてください。</translation>
    </message>
    <message>
        <source>Only what is there is measured: an export needs the training pack, {pack}, which is not installed.</source>
        <translation>既存のものだけを測定します。書き出しには学習パック（{pack}）が必要ですが、インストールされていません。</translation>
    </message>
    <message>
        <source>Open it again.</source>
        <translation>もう一度開いてください。</translation>
    </message>
    <message>
        <source>Open the recipe of this line, and look through Settings. The damaged file is kept as {kept}.</source>
        <translation>このラインのレシピを開き、設定を確認してください。壊れたファイルは {kept} として残してあります。</translation>
    </message>
    <message>
        <source>Optris fine, senseFly thermoMAP: hundredths of a degree above -100 °C</source>
        <translation>Optris（高精度）、senseFly thermoMAP: -100 °C を基準に 1/100 度</translation>
    </message>
    <message>
        <source>Optris, Micro-Epsilon thermoIMAGER: tenths of a degree above -100 °C</source>
        <translation>Optris、Micro-Epsilon thermoIMAGER: -100 °C を基準に 1/10 度</translation>
    </message>
    <message>
        <source>Other programs use {share:.0f} % of the processor now: the times are longer than they need be.</source>
        <translation>現在ほかのプログラムがプロセッサの {share:.0f} % を使っているため、測定時間は本来より長くなります。</translation>
    </message>
    <message>
        <source>Put this user&apos;s folder on a disk of this computer.</source>
        <translation>このユーザーのフォルダーを、このコンピューターのディスクに置いてください。</translation>
    </message>
    <message>
        <source>Put what it leads to in its place, and try again.</source>
        <translation>リンク先の内容をその場所に置き、もう一度お試しください。</translation>
    </message>
    <message>
        <source>Quantising needs the Python package {package}, which is not installed.</source>
        <translation>量子化には Python パッケージ {package} が必要ですが、インストールされていません。</translation>
    </message>
    <message>
        <source>Record {key} cannot be read.</source>
        <translation>記録 {key} を読み込めません。</translation>
    </message>
    <message>
        <source>Restore a back-up, or move this file away: it is then made anew from what the journals still hold.</source>
        <translation>バックアップを復元するか、このファイルを別の場所に移してください。移すと、ジャーナルに残っている分から作り直されます。</translation>
    </message>
    <message>
        <source>Restore it from a backup, or move it away: a new key is then made, and named in the records.</source>
        <translation>バックアップから戻すか、移動してください。移動すると新しい鍵が作られ、記録に残ります。</translation>
    </message>
    <message>
        <source>Restore it from a backup.</source>
        <translation>バックアップから戻してください。</translation>
    </message>
    <message>
        <source>Restore it from a backup. If it is deleted, every bundle counts as accepted when it is next used.</source>
        <translation>バックアップから復元してください。削除すると、どのバンドルも次に使用した時点で承認済みとみなされます。</translation>
    </message>
    <message>
        <source>Rule {rule} means {count} different quantities in this selection.</source>
        <translation>規則 {rule} は、この選択の中で {count} 種類の量を意味しています。</translation>
    </message>
    <message>
        <source>Save it under a name of your own on the Recipes page, and approve the bundle for that one.</source>
        <translation>レシピページで自分の名前を付けて保存し、そのレシピに対してバンドルを承認してください。</translation>
    </message>
    <message>
        <source>Say what the line gives each part: --takt 120ms, or takt_ms in the recipe.</source>
        <translation>部品 1 個にかけられる時間を指定してください：--takt 120ms、またはレシピの takt_ms。</translation>
    </message>
    <message>
        <source>Say what the part truly is.</source>
        <translation>部品の本当の判定を指定してください。</translation>
    </message>
    <message>
        <source>Say which: {names}.</source>
        <translation>どれかを指定してください: {names}。</translation>
    </message>
    <message>
        <source>Seek Thermal, fixed point 10.6: sixty-fourths of a degree above -40 °C</source>
        <translation>Seek Thermal（固定小数点 10.6）: -40 °C を基準に 1/64 度</translation>
    </message>
    <message>
        <source>Self-test of the engines on {when}</source>
        <translation>エンジンの自己診断（{when}）</translation>
    </message>
    <message>
        <source>Set the camera back, or accept the new size: start anew, or set the option size.</source>
        <translation>カメラの設定を戻すか、再起動またはオプション size で新しいサイズを受け入れてください。</translation>
    </message>
    <message>
        <source>Set the camera to RTP over RTSP (TCP, interleaved).</source>
        <translation>カメラを RTP over RTSP(TCP、インターリーブ)に設定してください。</translation>
    </message>
    <message>
        <source>Set the camera to progressive pictures.</source>
        <translation>カメラをプログレッシブ（順次走査）に設定してください。</translation>
    </message>
    <message>
        <source>Set the clock of this computer. If it is right, run: inspector archive retention --run --clock-is-right</source>
        <translation>このコンピューターの時計を合わせてください。時計が正しい場合は、inspector archive retention --run --clock-is-right を実行してください。</translation>
    </message>
    <message>
        <source>Set the option unit of the source to kelvin or celsius, or save temperatures in kelvin.</source>
        <translation>ソースのオプション unit を kelvin または celsius に設定するか、温度をケルビンで保存してください。</translation>
    </message>
    <message>
        <source>Set the unit and the scale of the source, or save temperatures in kelvin.</source>
        <translation>ソースの unit と scale を設定するか、温度をケルビンで保存してください。</translation>
    </message>
    <message>
        <source>Small objects are {object:.3g} px large in images of {widest} px, and only {spans:.3g} px in an input of {side} px, where they are hard to find: cut the images into pieces, or let the camera look closer.</source>
        <translation>小さな対象は、{widest} px の画像で {object:.3g} px ですが、{side} px の入力では {spans:.3g} px しかなく、見つけにくくなります。画像を分割するか、カメラを近づけてください。</translation>
    </message>
    <message>
        <source>Small objects are {object:.3g} px large in images of {widest} px, and {spans:.3g} px in an input of {side} px.</source>
        <translation>小さな対象は、{widest} px の画像で {object:.3g} px、{side} px の入力では {spans:.3g} px になります。</translation>
    </message>
    <message>
        <source>Smaller copies of it (thumbnails) are left out: {count}.</source>
        <translation>縮小画像（サムネイル）は除外します（{count} 個）。</translation>
    </message>
    <message>
        <source>Sort them into classes in the window, put those of each class into a folder of their own, or add label files.</source>
        <translation>ウィンドウでクラスに分けるか、クラスごとのフォルダーに入れるか、ラベルファイルを追加してください。</translation>
    </message>
    <message>
        <source>Spread the points over the picture, for example to its corners.</source>
        <translation>点を画像全体に、たとえば四隅に広げてください。</translation>
    </message>
    <message>
        <source>Start it again; what was judged is kept.</source>
        <translation>もう一度実行してください。判定済みの結果は保持されています。</translation>
    </message>
    <message>
        <source>Start it with: dask scheduler, and dask worker, on a network that you trust.</source>
        <translation>信頼できるネットワークで dask scheduler と dask worker を起動してください。</translation>
    </message>
    <message>
        <source>Start one with: dask worker.</source>
        <translation>dask worker で起動してください。</translation>
    </message>
    <message>
        <source>Start one, and judge again; what was judged is kept.</source>
        <translation>ワーカーを起動し、もう一度判定してください。判定済みの分は残っています。</translation>
    </message>
    <message>
        <source>Start that version or a newer one. Nothing was changed.</source>
        <translation>そのバージョンかそれ以降を起動してください。何も変更されていません。</translation>
    </message>
    <message>
        <source>Start the line again, so that the new bundle judges.</source>
        <translation>ラインを再起動すると、新しいバンドルで判定します。</translation>
    </message>
    <message>
        <source>Start the program again: it may have been updated while it ran.</source>
        <translation>プログラムを起動し直してください。実行中に更新された可能性があります。</translation>
    </message>
    <message>
        <source>Stop it there first, or give one of the two recipes another name.</source>
        <translation>先にそちらを停止するか、どちらかのレシピに別の名前を付けてください。</translation>
    </message>
    <message>
        <source>Take a reference of the same camera.</source>
        <translation>同じカメラの画像を基準にしてください。</translation>
    </message>
    <message>
        <source>Templates (NAME_temp) are no parts to be judged and are not used.</source>
        <translation>テンプレート（NAME_temp）は判定する部品ではないため、使用しません。</translation>
    </message>
    <message>
        <source>TensorRT is not on this machine: it needs an NVIDIA graphics card, TensorRT and onnxruntime-gpu.</source>
        <translation>このコンピューターに TensorRT はありません。NVIDIA のグラフィックカード、TensorRT、onnxruntime-gpu が必要です。</translation>
    </message>
    <message>
        <source>That was too short to learn anything: train for more epochs, and allow the time for them.</source>
        <translation>短すぎて何も学習できませんでした。エポック数を増やし、そのための時間を許可してください。</translation>
    </message>
    <message>
        <source>The address of the cluster {address} may not hold a user, a password or a token.</source>
        <translation>クラスターのアドレス {address} に、ユーザー名、パスワード、トークンは使えません。</translation>
    </message>
    <message>
        <source>The archive cannot be copied to {folder} ({detail}).</source>
        <translation>アーカイブを {folder} にコピーできません({detail})。</translation>
    </message>
    <message>
        <source>The archive has no image of {camera}.</source>
        <translation>アーカイブに {camera} の画像がありません。</translation>
    </message>
    <message>
        <source>The archive in {folder} is not sound: {why}</source>
        <translation>{folder} のアーカイブは正常ではありません: {why}</translation>
    </message>
    <message>
        <source>The archive {file} cannot be opened ({detail}).</source>
        <translation>アーカイブ {file} を開けません({detail})。</translation>
    </message>
    <message>
        <source>The archive {name} cannot be used: {detail}.</source>
        <translation>アーカイブ {name} は使えません: {detail}。</translation>
    </message>
    <message>
        <source>The archive {name} has the schema {found}, this program knows {known}.</source>
        <translation>アーカイブ {name} のスキーマは {found} ですが、このプログラムが扱えるのは {known} です。</translation>
    </message>
    <message>
        <source>The archive {name} is damaged: {detail}.</source>
        <translation>アーカイブ {name} が壊れています: {detail}。</translation>
    </message>
    <message>
        <source>The back-up in {folder} is damaged: {why}</source>
        <translation>{folder} のバックアップは壊れています: {why}</translation>
    </message>
    <message>
        <source>The boxes in {file} are corners (left, top, right, bottom), and not left, top, width, height.</source>
        <translation>{file} の枠は左上・右下の角 (左、上、右、下) で書かれており、左、上、幅、高さではありません。</translation>
    </message>
    <message>
        <source>The bundle cannot be quantised ({detail}).</source>
        <translation>バンドルを量子化できません（{detail}）。</translation>
    </message>
    <message>
        <source>The bundle {bundle} answers for whole images ({task}), not for tiles.</source>
        <translation>バンドル {bundle} は画像全体に対して答えるもので ({task})、タイルには使えません。</translation>
    </message>
    <message>
        <source>The bundle {bundle} cannot be written ({detail}).</source>
        <translation>バンドル {bundle} に書き込めません（{detail}）。</translation>
    </message>
    <message>
        <source>The bundle {bundle} has changed since it was accepted, so it is not used.</source>
        <translation>バンドル {bundle} は承認後に変更されたため、使用しません。</translation>
    </message>
    <message>
        <source>The bundle {bundle} has no reference images to judge a variant by.</source>
        <translation>バンドル {bundle} には、バリアントを確かめる基準画像がありません。</translation>
    </message>
    <message>
        <source>The bundle {bundle} has no reference images: only its own graph in fp32 is measured. A training keeps some in it.</source>
        <translation>バンドル {bundle} には基準画像がないため、fp32 の元のグラフだけを測定します。学習すると基準画像がバンドルに保存されます。</translation>
    </message>
    <message>
        <source>The bundle {bundle} has no {precision} graph for {engine}.</source>
        <translation>バンドル {bundle} には {engine} 用の {precision} グラフがありません。</translation>
    </message>
    <message>
        <source>The bundle {bundle} has not been exported and checked for {engine} in {precision}.</source>
        <translation>バンドル {bundle} は {engine} の {precision} 用に書き出されておらず、確認もされていません。</translation>
    </message>
    <message>
        <source>The bundle {bundle} has {count} reference {count:|image|images} to be judged, and {fewest} are needed.</source>
        <translation>バンドル {bundle} の判定用の参照画像は {count} 枚ですが、{fewest} 枚必要です。</translation>
    </message>
    <message>
        <source>The bundle {bundle} is not signed, and this station has a plant key.</source>
        <translation>バンドル {bundle} には署名がありません。このステーションには工場の鍵が設定されています。</translation>
    </message>
    <message>
        <source>The bundle {bundle} is not the one that judged: no heat map is kept of its parts.</source>
        <translation>バンドル{bundle}は判定に使われたものではありません。その部品のヒートマップは保存されません。</translation>
    </message>
    <message>
        <source>The bundle {bundle} was imported as a graph: it has no weights for {engine}.</source>
        <translation>バンドル {bundle} はグラフとして取り込まれたもので、{engine} 用の重みがありません。</translation>
    </message>
    <message>
        <source>The bundle {bundle} was imported as a graph: it has no weights to train, or to write another graph from.</source>
        <translation>バンドル {bundle} はグラフとして取り込まれたもので、学習や別のグラフの書き出しに使う重みがありません。</translation>
    </message>
    <message>
        <source>The bundles on {computer} are not those that were asked for.</source>
        <translation>{computer} のバンドルは指定されたものと異なります。</translation>
    </message>
    <message>
        <source>The camera {camera} has given no frame for {seconds:.0f} s: it hangs in its driver.</source>
        <translation>カメラ {camera} から {seconds:.0f} 秒間フレームが来ません。ドライバーが応答していません。</translation>
    </message>
    <message>
        <source>The choice of {when} was made for another version of {bundle}: tune again.</source>
        <translation>{when} の選択は {bundle} の別の版に対するものです。もう一度調整してください。</translation>
    </message>
    <message>
        <source>The choice of {when} was made on another computer or with other versions ({differences}): tune again.</source>
        <translation>{when} の選択は別のコンピューターまたは別の版で行われました（{differences}）。もう一度調整してください。</translation>
    </message>
    <message>
        <source>The class numbers in the label files of {folder} count from 1; those of YOLO count from 0.</source>
        <translation>{folder} のラベルファイルのクラス番号は 1 から始まっています。YOLO では 0 から始まります。</translation>
    </message>
    <message>
        <source>The cluster {address} does not answer: {detail}.</source>
        <translation>クラスター {address} が応答しません: {detail}。</translation>
    </message>
    <message>
        <source>The cluster {address} failed: {detail}.</source>
        <translation>クラスター {address} でエラーが発生しました: {detail}。</translation>
    </message>
    <message>
        <source>The cluster {address} has no workers any more.</source>
        <translation>クラスター {address} にワーカーがなくなりました。</translation>
    </message>
    <message>
        <source>The cluster {address} has no workers.</source>
        <translation>クラスター {address} にワーカーがありません。</translation>
    </message>
    <message>
        <source>The code that {camera} sees cannot be read.</source>
        <translation>{camera} に写っているコードを読み取れません。</translation>
    </message>
    <message>
        <source>The code that {camera} sees is not valid: {detail}</source>
        <translation>{camera} に写っているコードは正しくありません: {detail}</translation>
    </message>
    <message>
        <source>The comparison with good parts needs {count}; {known} are known so far.</source>
        <translation>良品との比較には {count} 個が必要です。現在わかっているのは {known} 個です。</translation>
    </message>
    <message>
        <source>The covered areas leave less than a tenth of the input.</source>
        <translation>覆う範囲が広すぎて、入力の 10 分の 1 も残りません。</translation>
    </message>
    <message>
        <source>The data in {folder} belong to version {version}, and this version cannot read them.</source>
        <translation>{folder} のデータはバージョン {version} のもので、このバージョンでは読めません。</translation>
    </message>
    <message>
        <source>The database is {minutes} min behind the line, because the processor is busy: the newest parts are not found yet.</source>
        <translation>プロセッサーの負荷が高いため、データベースがラインより {minutes} 分遅れています。最新の部品はまだ検索できません。</translation>
    </message>
    <message>
        <source>The database {name} cannot be used: {detail}</source>
        <translation>データベース {name} は使えません: {detail}</translation>
    </message>
    <message>
        <source>The disk of the journal is slow.</source>
        <translation>ジャーナルのディスクが遅くなっています。</translation>
    </message>
    <message>
        <source>The disk of the journal {folder} has not answered for {seconds:.1f} s.</source>
        <translation>ジャーナル {folder} のディスクが {seconds:.1f} 秒間応答していません。</translation>
    </message>
    <message>
        <source>The engine failed while archived parts were judged: {why}</source>
        <translation>保存された部品の再判定中にエンジンが失敗しました: {why}</translation>
    </message>
    <message>
        <source>The engine of {bundle} hangs again and again.</source>
        <translation>{bundle} のエンジンが繰り返し停止しています。</translation>
    </message>
    <message>
        <source>The engine of {bundle} has not answered for {seconds:.1f} s.</source>
        <translation>{bundle} のエンジンが {seconds:.1f} 秒間応答していません。</translation>
    </message>
    <message>
        <source>The file {file} is missing, or not the one this variant was made with (its SHA-256 differs).</source>
        <translation>ファイル {file} がないか、この版が作られたときのものではありません（SHA-256 が異なります）。</translation>
    </message>
    <message>
        <source>The folder {folder} is already watched with this recipe by another process.</source>
        <translation>フォルダー {folder} は、別のプロセスがすでにこのレシピで監視しています。</translation>
    </message>
    <message>
        <source>The folder {folder} of the archive is not there ({detail}).</source>
        <translation>アーカイブのフォルダー {folder} が見つかりません（{detail}）。</translation>
    </message>
    <message>
        <source>The folders {inner} inside those of the classes are not taken for classes; choose one of {outer} if they are.</source>
        <translation>クラスのフォルダー内にあるフォルダー {inner} はクラスとして扱いません。クラスである場合は {outer} のいずれかを選んでください。</translation>
    </message>
    <message>
        <source>The graph of the bundle {bundle} does not do {task}: its output is {shape}.</source>
        <translation>バンドル {bundle} のグラフは {task} を行いません。出力は {shape} です。</translation>
    </message>
    <message>
        <source>The graph of {bundle} gave values that are not numbers.</source>
        <translation>{bundle} のグラフが数値でない値を出力しました。</translation>
    </message>
    <message>
        <source>The graph {file} reads weights from {names}, which the card of its bundle does not vouch for.</source>
        <translation>グラフ {file} は {names} から重みを読み込みますが、このファイルはバンドルのカードに登録されていません。</translation>
    </message>
    <message>
        <source>The heat maps of this part cannot be read.</source>
        <translation>この部品のヒートマップは読み取れません。</translation>
    </message>
    <message>
        <source>The image of camera {camera} cannot be shown ({detail}).</source>
        <translation>カメラ {camera} の画像を表示できません（{detail}）。</translation>
    </message>
    <message>
        <source>The image {file} cannot be decoded ({detail}).</source>
        <translation>画像 {file} をデコードできません({detail})。</translation>
    </message>
    <message>
        <source>The image {file} cannot be read ({detail}).</source>
        <translation>画像 {file} を読み込めません({detail})。</translation>
    </message>
    <message>
        <source>The image {file} is not the one that was recorded.</source>
        <translation>画像 {file} は記録されたものと異なります。</translation>
    </message>
    <message>
        <source>The image {path} cannot be read ({detail}).</source>
        <translation>画像 {path} を読み込めません({detail})。</translation>
    </message>
    <message>
        <source>The image {path} is not the one that was recorded.</source>
        <translation>画像 {path} は記録されたものと異なります。</translation>
    </message>
    <message>
        <source>The images are enlarged less than usual, so that more epochs fit into the time.</source>
        <translation>時間内により多くのエポックが収まるように、画像の拡大は通常より小さくします。</translation>
    </message>
    <message>
        <source>The images look alike from every side, as surfaces do: they are mirrored and turned while it learns.</source>
        <translation>画像は表面のように、どの向きから見ても同じように見えます。学習中に反転と回転をします。</translation>
    </message>
    <message>
        <source>The images use values of different depths ({depths}). Train with those of one depth, unless one camera took all.</source>
        <translation>画像の階調の深さが揃っていません（{depths}）。すべて同じカメラで撮影したものでなければ、同じ深さの画像だけで学習してください。</translation>
    </message>
    <message>
        <source>The journal is not open.</source>
        <translation>ジャーナルが開かれていません。</translation>
    </message>
    <message>
        <source>The journal {file} was written by a newer version of this program.</source>
        <translation>ジャーナル {file} は、より新しいバージョンのプログラムで書き込まれました。</translation>
    </message>
    <message>
        <source>The journal {folder} cannot be read ({detail}).</source>
        <translation>ジャーナル {folder} を読み込めません({detail})。</translation>
    </message>
    <message>
        <source>The journal {folder} takes no records.</source>
        <translation>ジャーナル {folder} に記録を書き込めません。</translation>
    </message>
    <message>
        <source>The key {file} cannot be written ({detail}).</source>
        <translation>鍵 {file} を書き込めません({detail})。</translation>
    </message>
    <message>
        <source>The key {file} of this station cannot be read ({detail}).</source>
        <translation>このステーションの鍵 {file} を読み込めません({detail})。</translation>
    </message>
    <message>
        <source>The lines in the label files of {folder} look like boxes with key points, and no .yaml has a kpt_shape.</source>
        <translation>{folder} のラベルファイルの行はキーポイント付きの枠のように見えますが、kpt_shape のある .yaml がありません。</translation>
    </message>
    <message>
        <source>The list of accepted bundles {file} cannot be read ({detail}).</source>
        <translation>承認済みバンドルの一覧 {file} を読めません({detail})。</translation>
    </message>
    <message>
        <source>The list of inspected files of {folder} cannot be kept in {file} ({detail}).</source>
        <translation>{folder} の検査済みファイルの一覧を {file} に保存できません({detail})。</translation>
    </message>
    <message>
        <source>The list of inspected files of {folder} cannot be kept in {file}, because its disk does not lock files.</source>
        <translation>{folder} の検査済みファイルの一覧を {file} に保存できません。そのディスクがファイルのロックに対応していないためです。</translation>
    </message>
    <message>
        <source>The list of inspected files of {folder} has not been written to {file} for {seconds:.1f} s.</source>
        <translation>{folder} の検査済みファイルの一覧が {seconds:.1f} 秒間 {file} に書き込まれていません。</translation>
    </message>
    <message>
        <source>The list of inspected files of {folder} is damaged ({detail}).</source>
        <translation>{folder} の検査済みファイルの一覧が壊れています({detail})。</translation>
    </message>
    <message>
        <source>The loss does not fall: the learning rate is too large, or the labels do not belong to the images. Try a learning rate of {rate}, and look at some labelled images in the preview.</source>
        <translation>損失が下がりません。学習率が大きすぎるか、ラベルが画像と合っていません。学習率 {rate} を試し、プレビューでラベル付き画像を確認してください。</translation>
    </message>
    <message>
        <source>The loss falls on training images and rises on validation images: the network learns its images by heart. Add images, or choose a stronger augmentation.</source>
        <translation>損失は学習画像では下がり、検証画像では上がっています。ネットワークが画像を丸暗記しています。画像を追加するか、より強いデータ拡張を選んでください。</translation>
    </message>
    <message>
        <source>The loss falls very slowly: train for more epochs, or with a learning rate of {rate}.</source>
        <translation>損失の低下が非常に遅いです。エポック数を増やすか、学習率を {rate} にしてください。</translation>
    </message>
    <message>
        <source>The loss still falls: train for more epochs, or choose another network.</source>
        <translation>損失はまだ下がっています。エポック数を増やすか、別のネットワークを選んでください。</translation>
    </message>
    <message>
        <source>The masks of {image} show the same under several classes, so that its class is not known.</source>
        <translation>{image} のマスクは複数のクラスで同じ箇所を示しているため、クラスを決められません。</translation>
    </message>
    <message>
        <source>The most likely class cannot be compared with the parts before.</source>
        <translation>最も確からしいクラスは、前の部品と比較できません。</translation>
    </message>
    <message>
        <source>The network takes {channels} channels, and {count} values were given.</source>
        <translation>ネットワークは {channels} チャンネルを受け取りますが、{count} 個の値が指定されました。</translation>
    </message>
    <message>
        <source>The network {network} cannot be exported to ONNX ({detail}).</source>
        <translation>ネットワーク {network} を ONNX に出力できません（{detail}）。</translation>
    </message>
    <message>
        <source>The network {network} has no layer with a map that could be explained.</source>
        <translation>ネットワーク{network}には、説明に使えるマップを持つ層がありません。</translation>
    </message>
    <message>
        <source>The part could not be recorded in time: {why}</source>
        <translation>部品を時間内に記録できませんでした: {why}</translation>
    </message>
    <message>
        <source>The password or key of {source} is not kept.</source>
        <translation>{source} のパスワードや鍵は保存されていません。</translation>
    </message>
    <message>
        <source>The picture of this part was deleted when its time was over.</source>
        <translation>この部品の画像は保存期間が過ぎたため削除されました。</translation>
    </message>
    <message>
        <source>The picture of {source} has {width} x {height} pixels instead of {before_width} x {before_height}.</source>
        <translation>{source} の画像は {before_width} x {before_height} ではなく {width} x {height} 画素です。</translation>
    </message>
    <message>
        <source>The picture of {source} is damaged: {detail}.</source>
        <translation>{source} の画像が壊れています: {detail}。</translation>
    </message>
    <message>
        <source>The pictures of solar cells are in the package elpv-dataset, which is not installed.</source>
        <translation>太陽電池の画像はパッケージ elpv-dataset にありますが、インストールされていません。</translation>
    </message>
    <message>
        <source>The policy {file} cannot be read ({detail}).</source>
        <translation>保存方針 {file} を読み込めません({detail})。</translation>
    </message>
    <message>
        <source>The policy {file} is not valid: {detail}.</source>
        <translation>保存方針 {file} が正しくありません: {detail}。</translation>
    </message>
    <message>
        <source>The process that feeds the archive&apos;s database was suspended from outside; another follows.</source>
        <translation>アーカイブのデータベースに書き込むプロセスが外部から停止されました。別のプロセスが引き継ぎます。</translation>
    </message>
    <message>
        <source>The program that had started the work was closed or ended.</source>
        <translation>処理を始めたプログラムが閉じられたか、終了しました。</translation>
    </message>
    <message>
        <source>The recipe can be changed when the line has been stopped.</source>
        <translation>レシピはラインを停止してから変更できます。</translation>
    </message>
    <message>
        <source>The recipe has no bundle yet.</source>
        <translation>レシピにバンドルがまだありません。</translation>
    </message>
    <message>
        <source>The recipe has no camera yet.</source>
        <translation>レシピにカメラがまだありません。</translation>
    </message>
    <message>
        <source>The recipe is not valid: {detail}.</source>
        <translation>レシピが正しくありません: {detail}。</translation>
    </message>
    <message>
        <source>The recipe {file} no longer uses {bundle} at this place.</source>
        <translation>レシピ {file} はこの場所で {bundle} を使わなくなりました。</translation>
    </message>
    <message>
        <source>The recipe {file} was changed by somebody else meanwhile.</source>
        <translation>レシピ {file} はその間に別の人が変更しました。</translation>
    </message>
    <message>
        <source>The recipe {recipe} belongs to the program and stays as it is.</source>
        <translation>レシピ {recipe} はプログラムに付属するもので、変更されません。</translation>
    </message>
    <message>
        <source>The recipe {recipe} compares with the place {place}, which the camera {camera} does not see.</source>
        <translation>レシピ{recipe}は場所{place}と比較しますが、カメラ{camera}にはその場所が写りません。</translation>
    </message>
    <message>
        <source>The recipe {recipe} names no takt.</source>
        <translation>レシピ {recipe} にタクトの指定がありません。</translation>
    </message>
    <message>
        <source>The record of this part cannot be read; what the table of results says is shown.</source>
        <translation>この部品の記録は読めません。結果の表の内容を表示しています。</translation>
    </message>
    <message>
        <source>The reference images {file} cannot be used ({detail}).</source>
        <translation>参照画像 {file} は使えません（{detail}）。</translation>
    </message>
    <message>
        <source>The reference is {width} x {height} pixels, this picture is not.</source>
        <translation>基準画像は {width} x {height} 画素ですが、この画像は違います。</translation>
    </message>
    <message>
        <source>The region of the code is not inside the frame of {camera}.</source>
        <translation>コードの領域が {camera} の画像の外にあります。</translation>
    </message>
    <message>
        <source>The region of {bundle} reaches beyond the frame of {camera}, which has {width} x {height} px.</source>
        <translation>{bundle} の領域がカメラ {camera} のフレーム（{width} × {height} px）からはみ出しています。</translation>
    </message>
    <message>
        <source>The registration was measured with {name} pictures of {width} x {height} pixels; this one has {w} x {h}.</source>
        <translation>位置合わせは {width} x {height} 画素の画像（{name}）で測定されましたが、この画像は {w} x {h} 画素です。</translation>
    </message>
    <message>
        <source>The report in {folder} cannot be written ({detail}).</source>
        <translation>{folder} にレポートを書けません（{detail}）。</translation>
    </message>
    <message>
        <source>The rise a minute needs {count} parts within {seconds:g} s.</source>
        <translation>1 分あたりの上昇の計算には、{seconds:g} 秒以内に {count} 個の部品が必要です。</translation>
    </message>
    <message>
        <source>The run in {folder} cannot be written ({detail}).</source>
        <translation>{folder} の学習の記録を書き込めません({detail})。</translation>
    </message>
    <message>
        <source>The scores are not calibrated: {count} validation {count:|image is|images are} too few, it takes {needed}.</source>
        <translation>スコアは校正されていません：検証画像 {count} 枚では足りません。{needed} 枚必要です。</translation>
    </message>
    <message>
        <source>The scores are not raised: {wrong} wrong answers in {count} validation {count:|image|images} are too few to tell how far.</source>
        <translation>スコアは引き上げていません：検証画像 {count} 枚中の誤り {wrong} 件では、どこまで上げてよいか判断できません。</translation>
    </message>
    <message>
        <source>The self-test of this program failed: {detail}</source>
        <translation>このプログラムの自己診断に失敗しました：{detail}</translation>
    </message>
    <message>
        <source>The self-test of this program was not finished in {minutes:.0f} minutes.</source>
        <translation>このプログラムの自己診断が {minutes:.0f} 分以内に終わりませんでした。</translation>
    </message>
    <message>
        <source>The settings of the archive&apos;s server in {file} cannot be read.</source>
        <translation>{file} にあるアーカイブサーバーの設定を読み取れません。</translation>
    </message>
    <message>
        <source>The settings of the window in {file} are damaged ({detail}), so it starts with its defaults and without a recipe.</source>
        <translation>ウィンドウの設定 {file} が壊れているため（{detail}）、初期設定でレシピを開かずに起動しました。</translation>
    </message>
    <message>
        <source>The signature of the bundle {bundle} is not the plant&apos;s, or the bundle has changed since it was signed.</source>
        <translation>バンドル {bundle} の署名が工場のものではないか、署名後にバンドルが変更されています。</translation>
    </message>
    <message>
        <source>The start has waited for a disk or a share for {seconds:.0f} s.</source>
        <translation>開始処理がディスクまたは共有フォルダーを {seconds:.0f} 秒待っています。</translation>
    </message>
    <message>
        <source>The state of the training cannot be written to {file} ({detail}).</source>
        <translation>学習の状態を {file} に書けません（{detail}）。</translation>
    </message>
    <message>
        <source>The station ended while this part was being inspected (interrupted).</source>
        <translation>この部品の検査中にステーションが終了しました(中断)。</translation>
    </message>
    <message>
        <source>The station is not running any more.</source>
        <translation>ステーションはもう動作していません。</translation>
    </message>
    <message>
        <source>The system ended the work.</source>
        <translation>システムが処理を終了させました。</translation>
    </message>
    <message>
        <source>The temperatures in {file} cannot be computed for this emissivity and these surroundings ({detail}).</source>
        <translation>{file} の温度は、この放射率と周囲条件では計算できません({detail})。</translation>
    </message>
    <message>
        <source>The thermal frame of {camera} has pixels without a temperature ({percent:.1f} % of it).</source>
        <translation>{camera} の熱画像に温度のない画素があります（全体の {percent:.1f} %）。</translation>
    </message>
    <message>
        <source>The time limit leaves no time for more trials; now the final training.</source>
        <translation>制限時間のため、これ以上の試行はできません。最終の学習に進みます。</translation>
    </message>
    <message>
        <source>The time was up before {count} of {all} {all:|row was|rows were} measured.</source>
        <translation>時間切れのため、{all} 行のうち {count} 行を測定できませんでした。</translation>
    </message>
    <message>
        <source>The training ended after {epochs} of {asked} {asked:|epoch|epochs}, and its best epoch was kept.</source>
        <translation>学習は {asked} エポック中 {epochs} エポックで終わり、最良のエポックが残されました。</translation>
    </message>
    <message>
        <source>The training ended after {epochs} of {asked} {asked:|epoch|epochs}, because {patience} in a row brought nothing better; the best, epoch {best}, was kept.</source>
        <translation>{patience} エポック続けて改善がなかったため、学習は {asked} エポック中 {epochs} エポックで終わりました。最良のエポック {best} を残しました。</translation>
    </message>
    <message>
        <source>The training in {folder} cannot be ended ({detail}).</source>
        <translation>{folder} の学習を終了できません({detail})。</translation>
    </message>
    <message>
        <source>The training in {folder} cannot go on, because its {what} has changed.</source>
        <translation>{what} が変わったため、{folder} の学習を続けられません。</translation>
    </message>
    <message>
        <source>The training is done.</source>
        <translation>学習が終わりました。</translation>
    </message>
    <message>
        <source>The training setting class_weights is {value!r}.</source>
        <translation>学習の設定 class_weights が {value!r} になっています。</translation>
    </message>
    <message>
        <source>The training setting {key} is {value!r}, not a number.</source>
        <translation>学習の設定 {key} の {value!r} は数値ではありません。</translation>
    </message>
    <message>
        <source>The training setting {key} is {value}; it must be above 0.</source>
        <translation>学習の設定 {key} が {value} です。0 より大きくしてください。</translation>
    </message>
    <message>
        <source>The training settings are not valid: {detail}.</source>
        <translation>学習の設定が正しくありません：{detail}。</translation>
    </message>
    <message>
        <source>The training was cancelled and left no bundle.</source>
        <translation>学習は取り消され、バンドルは残っていません。</translation>
    </message>
    <message>
        <source>The training went astray in epoch {epoch}: the loss is no longer a number.</source>
        <translation>エポック {epoch} で学習が発散しました：損失が数値でなくなりました。</translation>
    </message>
    <message>
        <source>The trials were ended; now the final training.</source>
        <translation>試行は打ち切られました。最終の学習に進みます。</translation>
    </message>
    <message>
        <source>The tuned choice names no variant for the bundle {bundle}: tune again.</source>
        <translation>調整結果にバンドル {bundle} のバリアントがありません。もう一度調整してください。</translation>
    </message>
    <message>
        <source>The tuned variant of {bundle} ({engine} {precision}) does not answer as it did when it was chosen.</source>
        <translation>{bundle} の調整済みバリアント（{engine} {precision}）の答えが、選択時と異なります。</translation>
    </message>
    <message>
        <source>The tuned variant of {bundle} ({engine} {precision}) takes {now:.1f} ms an image, when it was chosen it took {before:.1f} ms.</source>
        <translation>{bundle} の調整済みバリアント（{engine} {precision}）は 1 枚に {now:.1f} ms かかります。選択時は {before:.1f} ms でした。</translation>
    </message>
    <message>
        <source>The warning limit must come before the limit.</source>
        <translation>警告の限度は、限度の手前の値にしてください。</translation>
    </message>
    <message>
        <source>The weakest class is {name}: {kind} {value}, with {count} tested.</source>
        <translation>最も弱いクラスは {name} です：{kind} {value}（テスト {count} 件）。</translation>
    </message>
    <message>
        <source>The weights of the bundle {bundle} do not fit its network {network} ({detail}).</source>
        <translation>バンドル {bundle} の重みがネットワーク {network} に合いません（{detail}）。</translation>
    </message>
    <message>
        <source>The weights {file} do not fit {network}: {count} tensors differ, the first is {key}.</source>
        <translation>重み {file} は {network} に合いません：{count} 個のテンソルが異なり、最初は {key} です。</translation>
    </message>
    <message>
        <source>The window that had started the training was closed or ended, and the training with it.</source>
        <translation>学習を始めたウィンドウが閉じたか終了したため、学習も終わりました。</translation>
    </message>
    <message>
        <source>The work was cancelled.</source>
        <translation>処理は中止されました。</translation>
    </message>
    <message>
        <source>The worker does not know the job that it was given.</source>
        <translation>処理プロセスは、渡されたジョブに対応していません。</translation>
    </message>
    <message>
        <source>The worker of {bundle} cannot be used ({detail}).</source>
        <translation>{bundle} の処理プロセスを使用できません（{detail}）。</translation>
    </message>
    <message>
        <source>The worker of {bundle} did not answer and was ended.</source>
        <translation>{bundle} のワーカーが応答しないため終了させました。</translation>
    </message>
    <message>
        <source>The worker of {bundle} ended unexpectedly ({how}): {detail}.</source>
        <translation>{bundle} の処理プロセスが異常終了しました（{how}）：{detail}。</translation>
    </message>
    <message>
        <source>The worker of {bundle} has not answered for {seconds:.0f} s and was ended.</source>
        <translation>{bundle} の処理プロセスが {seconds:.0f} 秒応答しないため終了しました。</translation>
    </message>
    <message>
        <source>The worker of {bundle} is closed.</source>
        <translation>{bundle} の処理プロセスは終了しています。</translation>
    </message>
    <message>
        <source>The worker process cannot be started ({detail}).</source>
        <translation>処理プロセスを起動できません（{detail}）。</translation>
    </message>
    <message>
        <source>The worker process ended unexpectedly ({how}): {detail}.</source>
        <translation>処理プロセスが異常終了しました（{how}）：{detail}。</translation>
    </message>
    <message>
        <source>The worker process showed no sign of life for {seconds:.0f} s and was ended.</source>
        <translation>ワーカープロセスが {seconds:.0f} 秒間応答しなかったため終了しました。</translation>
    </message>
    <message>
        <source>The worker process {pid} is suspended from outside. Let it go on (on Linux: kill -CONT {pid}), or cancel.</source>
        <translation>ワーカープロセス {pid} が外部から停止されています。再開させるか（Linux では kill -CONT {pid}）、中止してください。</translation>
    </message>
    <message>
        <source>The worker sent a line of more than {limit} bytes.</source>
        <translation>処理プロセスから {limit} バイトを超える行が届きました。</translation>
    </message>
    <message>
        <source>The worker sent a line that is not a message: {line}.</source>
        <translation>処理プロセスから解釈できない行が届きました：{line}。</translation>
    </message>
    <message>
        <source>The worker was asked for {type}, which it does not do.</source>
        <translation>ワーカーは {type} を求められましたが、これは行いません。</translation>
    </message>
    <message>
        <source>The worker went on after its last message, with {type}.</source>
        <translation>処理プロセスが最後のメッセージの後に {type} を送りました。</translation>
    </message>
    <message>
        <source>The worker {worker} of the cluster has not been heard for {seconds:.0f} s, and its parts wait. Let it go on, or end it: then other workers judge them.</source>
        <translation>クラスターのワーカー {worker} から {seconds:.0f} 秒間応答がなく、その部品の判定が止まっています。ワーカーを再開させるか終了させてください。終了させると、ほかのワーカーが判定します。</translation>
    </message>
    <message>
        <source>The worker&apos;s result is not what was asked for ({detail}).</source>
        <translation>ワーカーの結果が求めたものと異なります（{detail}）。</translation>
    </message>
    <message>
        <source>The {precision} variant for {engine} cannot be removed: nothing may be written in {folder}.</source>
        <translation>{engine} 用の {precision} 版は削除できません：{folder} には書き込めません。</translation>
    </message>
    <message>
        <source>The {precision} variant of {bundle} for {engine} could not be made: {reason}</source>
        <translation>{bundle} の {engine} 用 {precision} 版は作れませんでした：{reason}</translation>
    </message>
    <message>
        <source>The {precision} variant of {bundle} for {engine} is refused: {reason}</source>
        <translation>{bundle} の {engine} 用 {precision} 版は使用できません：{reason}</translation>
    </message>
    <message>
        <source>The {precision} variant of {bundle} for {engine} was checked with other files than these.</source>
        <translation>{bundle} の {engine} 用 {precision} 版が確認されたときのファイルは、今のものと異なります。</translation>
    </message>
    <message>
        <source>The {precision} variant of {bundle} for {engine} was made by a newer version of this program.</source>
        <translation>{bundle}の{engine}用{precision}バリアントは、このプログラムの新しいバージョンで作成されました。</translation>
    </message>
    <message>
        <source>The {tool} reaches beyond the image of {width} x {height} pixels.</source>
        <translation>{tool} は {width} x {height} ピクセルの画像からはみ出しています。</translation>
    </message>
    <message>
        <source>There are no images in {folder}.</source>
        <translation>{folder} に画像がありません。</translation>
    </message>
    <message>
        <source>There are no images that can be read in {folder}, but {files} {files:|file|files}.</source>
        <translation>{folder} には読み込める画像がなく、{files} のファイルがあります。</translation>
    </message>
    <message>
        <source>There {count:|is|are} {count} {count:|image|images} to calibrate {bundle} with, and {fewest} are needed.</source>
        <translation>{bundle} の校正用の画像は {count} 枚ですが、{fewest} 枚必要です。</translation>
    </message>
    <message>
        <source>There is an archive in {folder} already.</source>
        <translation>{folder} にはすでにアーカイブがあります。</translation>
    </message>
    <message>
        <source>There is no archive in {folder}.</source>
        <translation>{folder} にアーカイブがありません。</translation>
    </message>
    <message>
        <source>There is no back-up of an archive in {folder}.</source>
        <translation>{folder} にアーカイブのバックアップがありません。</translation>
    </message>
    <message>
        <source>There is no bundle at {folder}: it has no card.json.</source>
        <translation>{folder} にバンドルがありません（card.json がありません）。</translation>
    </message>
    <message>
        <source>There is no bundle to use.</source>
        <translation>使うバンドルがありません。</translation>
    </message>
    <message>
        <source>There is no bundle {bundle}.</source>
        <translation>バンドル {bundle} がありません。</translation>
    </message>
    <message>
        <source>There is no class number {index}; there are {count}.</source>
        <translation>クラス番号 {index} はありません（クラスは {count} 個）。</translation>
    </message>
    <message>
        <source>There is no class {name!r} in {folder}.</source>
        <translation>{folder} にクラス {name!r} はありません。</translation>
    </message>
    <message>
        <source>There is no earlier revision of {file} with other bundles.</source>
        <translation>{file} には、別のバンドルを使う以前の改訂がありません。</translation>
    </message>
    <message>
        <source>There is no earlier revision of {file}.</source>
        <translation>{file} には前の改訂がありません。</translation>
    </message>
    <message>
        <source>There is no file {file}.</source>
        <translation>ファイル {file} がありません。</translation>
    </message>
    <message>
        <source>There is no filter {name}.</source>
        <translation>フィルター {name} はありません。</translation>
    </message>
    <message>
        <source>There is no image in the folder {folder}.</source>
        <translation>フォルダー {folder} に画像がありません。</translation>
    </message>
    <message>
        <source>There is no inspection {key} in the archive.</source>
        <translation>アーカイブに検査 {key} はありません。</translation>
    </message>
    <message>
        <source>There is no inspection {name} in the archive.</source>
        <translation>アーカイブに検査 {name} はありません。</translation>
    </message>
    <message>
        <source>There is no loss called {name!r} for {task}.</source>
        <translation>{task} に {name!r} という損失はありません。</translation>
    </message>
    <message>
        <source>There is no recipe to change.</source>
        <translation>変更するレシピがありません。</translation>
    </message>
    <message>
        <source>There is no recipe {file}.</source>
        <translation>レシピ {file} がありません。</translation>
    </message>
    <message>
        <source>There is no report {file}.</source>
        <translation>レポート {file} がありません。</translation>
    </message>
    <message>
        <source>There is no room to share frames with the worker of {bundle} ({detail}).</source>
        <translation>{bundle} の処理プロセスと共有するメモリーが足りません（{detail}）。</translation>
    </message>
    <message>
        <source>There is no schema {name}.</source>
        <translation>スキーマ {name} はありません。</translation>
    </message>
    <message>
        <source>There is no such inspection in the archive.</source>
        <translation>アーカイブにその検査はありません。</translation>
    </message>
    <message>
        <source>There is no such setting.</source>
        <translation>このような設定はありません。</translation>
    </message>
    <message>
        <source>There is no training to go on with: {folder} has no checkpoint.</source>
        <translation>続けられる学習がありません：{folder} にチェックポイントがありません。</translation>
    </message>
    <message>
        <source>There is no value at the place {place} to compare with.</source>
        <translation>比較する場所 {place} に値がありません。</translation>
    </message>
    <message>
        <source>There is no video {file}.</source>
        <translation>動画 {file} がありません。</translation>
    </message>
    <message>
        <source>There is no weights file {file}.</source>
        <translation>重みのファイル {file} がありません。</translation>
    </message>
    <message>
        <source>There is no {what} called {key!r}.</source>
        <translation>{key!r} という名前はありません（{what}）。</translation>
    </message>
    <message>
        <source>There is only the class {name}: nothing can be told apart.</source>
        <translation>クラスが {name} だけなので、見分けるものがありません。</translation>
    </message>
    <message>
        <source>There was no verdict within the deadline of {limit:.0f} ms.</source>
        <translation>期限の {limit:.0f} ms 以内に判定が出ませんでした。</translation>
    </message>
    <message>
        <source>Thermal images with temperatures</source>
        <translation>温度付きの熱画像</translation>
    </message>
    <message>
        <source>These points do not fix how the pictures lie to each other ({why}).</source>
        <translation>これらの点では二つの画像の位置関係が決まりません（{why}）。</translation>
    </message>
    <message>
        <source>This is not a value for it ({detail}).</source>
        <translation>この値は使えません（{detail}）。</translation>
    </message>
    <message>
        <source>This is version {now} of the program; before, version {before} ran here.</source>
        <translation>このプログラムはバージョン{now}です。前回はバージョン{before}でした。</translation>
    </message>
    <message>
        <source>This picture does not hold a camera&apos;s raw values, so its emissivity and surroundings cannot be changed.</source>
        <translation>この画像にはカメラの生の値がないため、放射率と周囲の条件を変えられません。</translation>
    </message>
    <message>
        <source>This program has a defect: {detail}.</source>
        <translation>プログラムに不具合があります：{detail}。</translation>
    </message>
    <message>
        <source>This user may make no tables in the database {name}.</source>
        <translation>このユーザーはデータベース {name} に表を作成できません。</translation>
    </message>
    <message>
        <source>Train it again with this version; a training keeps them in the bundle.</source>
        <translation>このバージョンで学習し直してください。学習するとバンドルに保存されます。</translation>
    </message>
    <message>
        <source>Train it again.</source>
        <translation>もう一度学習してください。</translation>
    </message>
    <message>
        <source>Train it again; a network that overflows or returns NaN cannot be exported.</source>
        <translation>学習し直してください。桁あふれや NaN を返すネットワークは出力できません。</translation>
    </message>
    <message>
        <source>Train or export it again.</source>
        <translation>もう一度学習またはエクスポートしてください。</translation>
    </message>
    <message>
        <source>Training is not installed. Install the training pack, {pack}.</source>
        <translation>学習機能がインストールされていません。学習パック（{pack}）をインストールしてください。</translation>
    </message>
    <message>
        <source>Training is not installed. Install the training pack, {pack}. Everything can be prepared here nevertheless.</source>
        <translation>学習機能がインストールされていません。学習パック（{pack}）をインストールしてください。準備はここですべて行えます。</translation>
    </message>
    <message>
        <source>Training needs the Python package {package}, which is not installed. Install it from the program&apos;s folder: packaging/run.sh --with train (Windows: run.ps1). Everything can be prepared here nevertheless.</source>
        <translation>学習に必要な Python パッケージ {package} がインストールされていません。プログラムのフォルダーで packaging/run.sh --with train(Windows: run.ps1)を実行してください。準備はここで進められます。</translation>
    </message>
    <message>
        <source>Trigger more slowly, or use a faster engine.</source>
        <translation>トリガーの間隔を空けるか、より速いエンジンを使ってください。</translation>
    </message>
    <message>
        <source>Unlabelled</source>
        <translation>ラベルなし</translation>
    </message>
    <message>
        <source>Unpack archives, and save pictures as PNG, TIFF or JPEG.</source>
        <translation>アーカイブを展開し、画像を PNG、TIFF または JPEG で保存してください。</translation>
    </message>
    <message>
        <source>Unplug the camera, then restart the program.</source>
        <translation>カメラを抜いてから、プログラムを再起動してください。</translation>
    </message>
    <message>
        <source>Use a bundle made by this program.</source>
        <translation>このプログラムで作成したバンドルを使ってください。</translation>
    </message>
    <message>
        <source>Use a bundle made by this program; other weight files are never loaded.</source>
        <translation>このプログラムで作成したバンドルを使ってください。それ以外の重みファイルは読み込みません。</translation>
    </message>
    <message>
        <source>Use a smaller learning rate, and check the labels for impossible values.</source>
        <translation>学習率を小さくし、ラベルにありえない値がないか確認してください。</translation>
    </message>
    <message>
        <source>Use another engine.</source>
        <translation>別のエンジンを使ってください。</translation>
    </message>
    <message>
        <source>Use another precision; or give more images to calibrate with, or allow a larger drop.</source>
        <translation>別の精度を使うか、校正用の画像を増やすか、より大きな低下を許してください。</translation>
    </message>
    <message>
        <source>Use at least {smallest} pixels a side.</source>
        <translation>一辺を {smallest} 画素以上にしてください。</translation>
    </message>
    <message>
        <source>Use bf16 or fp32 for this network, or allow a larger drop.</source>
        <translation>このネットワークには bf16 か fp32 を使うか、より大きな低下を許してください。</translation>
    </message>
    <message>
        <source>Use bf16 or fp32 for this network.</source>
        <translation>このネットワークには bf16 か fp32 を使ってください。</translation>
    </message>
    <message>
        <source>Use data with the classes the bundle was trained on, or train a bundle on this data.</source>
        <translation>バンドルが学習したクラスのデータを使うか、このデータでバンドルを学習してください。</translation>
    </message>
    <message>
        <source>Use fewer folds, or add labelled images.</source>
        <translation>分割数を減らすか、ラベル付き画像を増やしてください。</translation>
    </message>
    <message>
        <source>Use it in the recipe on the Train page.</source>
        <translation>学習ページでレシピに使ってください。</translation>
    </message>
    <message>
        <source>Use one of: {names}.</source>
        <translation>次のいずれかを使ってください：{names}。</translation>
    </message>
    <message>
        <source>Use simulated, folder:PATH, video:PATH, usb:N, rtsp://... or http://...</source>
        <translation>simulated、folder:パス、video:パス、usb:番号、rtsp://...、http://... のいずれかを使ってください。</translation>
    </message>
    <message>
        <source>Use simulated:visible or simulated:thermal.</source>
        <translation>simulated:visible または simulated:thermal を使ってください。</translation>
    </message>
    <message>
        <source>Use smaller batches, a smaller input or a smaller network, or close other programs.</source>
        <translation>バッチ、入力サイズ、ネットワークのいずれかを小さくするか、ほかのプログラムを終了してください。</translation>
    </message>
    <message>
        <source>Use the method occlusion or rise.</source>
        <translation>方法に occlusion か rise を使ってください。</translation>
    </message>
    <message>
        <source>Use the precision fp32.</source>
        <translation>精度 fp32 を使ってください。</translation>
    </message>
    <message>
        <source>Validation and test together must leave something to train on.</source>
        <translation>検証とテストの割合の合計は、学習用が残るようにしてください。</translation>
    </message>
    <message>
        <source>Wait, or stop it first.</source>
        <translation>終わるのを待つか、先に停止してください。</translation>
    </message>
    <message>
        <source>White, which marks defects, covers most of every mask; invert the masks if black marks the defects.</source>
        <translation>欠陥を表す白が、どのマスクでも大部分を占めています。黒が欠陥を表すなら、マスクを反転してください。</translation>
    </message>
    <message>
        <source>Width and height are given together.</source>
        <translation>幅と高さは両方指定してください。</translation>
    </message>
    <message>
        <source>With {after} instead of {before} in {bundle} a part would still take {p99:.1f} ms, more than the limit of {limit:.1f} ms: the network was built so, untrained, and timed.</source>
        <translation>{bundle} を {before} から {after} にしても部品 1 個に {p99:.1f} ms かかり、限度の {limit:.1f} ms を超えます（未学習のネットワークを実際に作って測定）。</translation>
    </message>
    <message>
        <source>With {after} instead of {before} in {bundle} a part would take {p99:.1f} ms and keep the limit of {limit:.1f} ms: the network was built so, untrained, and timed.</source>
        <translation>{bundle} を {before} から {after} にすると部品 1 個が {p99:.1f} ms になり、限度の {limit:.1f} ms を守れます（未学習のネットワークを実際に作って測定）。</translation>
    </message>
    <message>
        <source>With {more} more training images expect {value} K (95 % confidence: {low} to {high}) less error.</source>
        <translation>学習画像をあと {more} 枚増やすと、誤差は {value} K(95 % 信頼区間: {low}～{high})減る見込みです。</translation>
    </message>
    <message>
        <source>With {more} more training images expect {value} points of {name} (95 % confidence: {low} to {high}).</source>
        <translation>学習画像をあと {more} 枚増やすと、{name} は {value} ポイント(95 % 信頼区間: {low}～{high})変わる見込みです。</translation>
    </message>
    <message>
        <source>Without a labelled object an image has no class: classification leaves out {count}.</source>
        <translation>ラベル付きの対象物がない画像にはクラスがありません。分類では {count} 枚を除きます。</translation>
    </message>
    <message>
        <source>Write classes.txt in the order {classes} and renumber the masks.</source>
        <translation>classes.txt を {classes} の順に書き、マスクの番号を付け直してください。</translation>
    </message>
    <message>
        <source>Write every class once.</source>
        <translation>各クラスを 1 回だけ書いてください。</translation>
    </message>
    <message>
        <source>Write folder:PATH.</source>
        <translation>folder:パス と書いてください。</translation>
    </message>
    <message>
        <source>Write it as key=value.</source>
        <translation>キー=値 の形で書いてください。</translation>
    </message>
    <message>
        <source>Write one name on each line.</source>
        <translation>1 行に 1 つ名前を書いてください。</translation>
    </message>
    <message>
        <source>Write rtsp://HOST/PATH or http://HOST/PATH.</source>
        <translation>rtsp://ホスト/パス または http://ホスト/パス と書いてください。</translation>
    </message>
    <message>
        <source>Write the corners in columns of their own: xmin, ymin, xmax, ymax.</source>
        <translation>角の座標を xmin、ymin、xmax、ymax の各列に書いてください。</translation>
    </message>
    <message>
        <source>Write them into the address, before the host: USER:PASSWORD@HOST.</source>
        <translation>アドレスのホストの前に書いてください: USER:PASSWORD@HOST。</translation>
    </message>
    <message>
        <source>Write usb:0 for the first one.</source>
        <translation>最初のカメラは usb:0 と書いてください。</translation>
    </message>
    <message>
        <source>Write video:PATH.</source>
        <translation>video:パス と書いてください。</translation>
    </message>
    <message>
        <source>YOLO</source>
        <translation>YOLO</translation>
    </message>
    <message>
        <source>a .json of COCO panoptic lists {count} of the images</source>
        <translation>COCO panoptic の .json に画像 {count} 枚が載っています</translation>
    </message>
    <message>
        <source>a .json of FiftyOne lists {count} of the images</source>
        <translation>FiftyOne の .json に画像 {count} 枚が載っています</translation>
    </message>
    <message>
        <source>a .txt of KITTI, DOTA or DeepPCB of the same name for each image</source>
        <translation>各画像と同名の KITTI、DOTA または DeepPCB の .txt</translation>
    </message>
    <message>
        <source>a COCO .json with images, annotations and categories, and the images</source>
        <translation>images・annotations・categories のある COCO の .json と画像</translation>
    </message>
    <message>
        <source>a COCO panoptic .json with segments_info, its .png files, and the images</source>
        <translation>segments_info を含む COCO panoptic の .json とその .png、および画像</translation>
    </message>
    <message>
        <source>coldest {value} °C &lt; {limit} °C</source>
        <translation>最低温度 {value} °C ＜ {limit} °C</translation>
    </message>
    <message>
        <source>coldest {value} °C &gt; {limit} °C</source>
        <translation>最低温度 {value} °C ＞ {limit} °C</translation>
    </message>
    <message>
        <source>hottest {value} °C &lt; {limit} °C</source>
        <translation>最高温度 {value} °C ＜ {limit} °C</translation>
    </message>
    <message>
        <source>hottest {value} °C &gt; {limit} °C</source>
        <translation>最高温度 {value} °C ＞ {limit} °C</translation>
    </message>
    <message>
        <source>images/ and labels/ with a YOLO .txt of the same name for each image</source>
        <translation>images/ と、各画像と同じ名前の YOLO の .txt がある labels/</translation>
    </message>
    <message>
        <source>it answers as the trained network does when red and blue are exchanged.</source>
        <translation>赤と青を入れ替えた画像に対する学習済みネットワークと同じ答えを出します。</translation>
    </message>
    <message>
        <source>it judges {flips} of {images} reference images differently from the trained network, more than {limit}.</source>
        <translation>参照画像 {images} 枚のうち {flips} 枚で学習済みネットワークと判定が異なり、上限の {limit} 枚を超えています。</translation>
    </message>
    <message>
        <source>it was chosen, and nothing speaks for it</source>
        <translation>指定されましたが、それを示すものは見つかりません</translation>
    </message>
    <message>
        <source>its {files} {files:|file is|files are} in no layout that is understood</source>
        <translation>{files} ファイルは、対応しているどの形式でもありません</translation>
    </message>
    <message>
        <source>its {metric} on the reference images is {after:.4g}, the trained network&apos;s {before:.4g}: over {limit:.3g} lower.</source>
        <translation>参照画像での {metric} は {after:.4g}、学習済みネットワークでは {before:.4g} で、低下が {limit:.3g} を超えています。</translation>
    </message>
    <message>
        <source>its {unit} differs from the trained network&apos;s by {difference:.3g} on average, more than {limit:.3g}.</source>
        <translation>{unit} の学習済みネットワークとの差は平均 {difference:.3g} で、上限の {limit:.3g} を超えています。</translation>
    </message>
    <message>
        <source>labelme</source>
        <translation>labelme</translation>
    </message>
    <message>
        <source>labelme with flags</source>
        <translation>labelme (フラグ)</translation>
    </message>
    <message>
        <source>labels.json or samples.json of FiftyOne, and data/ with the images</source>
        <translation>FiftyOne の labels.json または samples.json と、画像の入った data/</translation>
    </message>
    <message>
        <source>largest {name} {value} mm2 &lt; {limit} mm2</source>
        <translation>最大の{name} {value} mm² ＜ {limit} mm²</translation>
    </message>
    <message>
        <source>largest {name} {value} mm2 &gt; {limit} mm2</source>
        <translation>最大の{name} {value} mm² ＞ {limit} mm²</translation>
    </message>
    <message>
        <source>largest {name} {value} px &lt; {limit} px</source>
        <translation>最大の{name} {value} px ＜ {limit} px</translation>
    </message>
    <message>
        <source>largest {name} {value} px &gt; {limit} px</source>
        <translation>最大の{name} {value} px ＞ {limit} px</translation>
    </message>
    <message>
        <source>mean {value} °C &lt; {limit} °C</source>
        <translation>平均温度 {value} °C ＜ {limit} °C</translation>
    </message>
    <message>
        <source>mean {value} °C &gt; {limit} °C</source>
        <translation>平均温度 {value} °C ＞ {limit} °C</translation>
    </message>
    <message>
        <source>one folder a class, with its images in it, or with a .png mask of the same name beside each image</source>
        <translation>クラスごとのフォルダーに画像。または各画像の横に同じ名前の .png マスク</translation>
    </message>
    <message>
        <source>radiometric files, or images and a temperatures.csv with the columns file, maximum, mean, minimum in kelvin</source>
        <translation>放射温度ファイル、または画像と temperatures.csv(列は file, maximum, mean, minimum、単位はケルビン)</translation>
    </message>
    <message>
        <source>tables of objects list {count} of the images</source>
        <translation>物体の表に画像のうち {count} 枚が記載されています</translation>
    </message>
    <message>
        <source>the .json files of VoTT list {count} of the images</source>
        <translation>VoTT の .json に画像のうち {count} 枚が記載されています</translation>
    </message>
    <message>
        <source>the .json files of VoTT, and the images</source>
        <translation>VoTT の .json と画像</translation>
    </message>
    <message>
        <source>the first images, or a table beside them, hold temperatures</source>
        <translation>最初の画像、または横にある表に温度が記録されています</translation>
    </message>
    <message>
        <source>train/good/, test/&lt;defect&gt;/ and ground_truth/&lt;defect&gt;/ with *_mask.png</source>
        <translation>train/good/、test/&lt;欠陥&gt;/、および *_mask.png のある ground_truth/&lt;欠陥&gt;/</translation>
    </message>
    <message>
        <source>{address!r} is not a USB camera.</source>
        <translation>{address!r} は USB カメラではありません。</translation>
    </message>
    <message>
        <source>{address!r} is not the address of a stream.</source>
        <translation>{address!r} はストリームのアドレスではありません。</translation>
    </message>
    <message>
        <source>{address} is no address of a database.</source>
        <translation>{address} はデータベースのアドレスではありません。</translation>
    </message>
    <message>
        <source>{after} compared with {before}: right answers {right}, heat on the defect {inside}, right answers for another reason {places}.</source>
        <translation>{before} と比べた {after}：正答 {right}、欠陥への注目 {inside}、別の理由による正答 {places}。</translation>
    </message>
    <message>
        <source>{allowed:g} % false rejects cannot be promised: it takes {needed} good validation images, there are {count}.</source>
        <translation>過検出率 {allowed:g} % は保証できません：良品の検証画像が {needed} 枚必要ですが、{count} 枚しかありません。</translation>
    </message>
    <message>
        <source>{allowed:g} % false rejects cannot be reached: more good validation images than that look like defects.</source>
        <translation>過検出率 {allowed:g} % は達成できません：それより多くの良品の検証画像が欠陥のように見えます。</translation>
    </message>
    <message>
        <source>{bundle} cannot take the place of {other}: one does {task}, the other {other_task}.</source>
        <translation>{bundle} は {other} と置き換えられません：一方は {task}、他方は {other_task} です。</translation>
    </message>
    <message>
        <source>{bundle} could take the place of {count} bundles in the recipe {recipe}, not of one.</source>
        <translation>レシピ {recipe} で {bundle} が置き換えられるバンドルは {count} 個あり、1 個に決まりません。</translation>
    </message>
    <message>
        <source>{bundle} does {task}, and these labels are for {other}.</source>
        <translation>{bundle} は {task} 用ですが、このラベルは {other} 用です。</translation>
    </message>
    <message>
        <source>{bundle} learnt nothing in its training: its answers are no better than chance.</source>
        <translation>{bundle} は学習で何も学べませんでした。その答えは偶然と変わりません。</translation>
    </message>
    <message>
        <source>{bundle} reads pictures, and the camera {camera} gives temperatures.</source>
        <translation>{bundle} は画像用ですが、カメラ {camera} は温度を出力します。</translation>
    </message>
    <message>
        <source>{bundle} reads temperatures, and the camera {camera} gives pictures.</source>
        <translation>{bundle} は温度用ですが、カメラ {camera} は画像を出力します。</translation>
    </message>
    <message>
        <source>{bundle} was imported as a graph: it has no layers, and is explained by covering pieces of the frame.</source>
        <translation>{bundle} はグラフとして取り込まれたため層がなく、画像の一部を隠して説明します。</translation>
    </message>
    <message>
        <source>{bundle}: the worker process that exports was suspended from outside, and was ended.</source>
        <translation>{bundle}：エクスポートするワーカープロセスが外部から停止されたため、終了しました。</translation>
    </message>
    <message>
        <source>{camera} gave no frame for this part in time.</source>
        <translation>{camera} の画像が時間内に届きませんでした。</translation>
    </message>
    <message>
        <source>{camera} gave no frame for this part.</source>
        <translation>{camera} の画像がこの部品に届きませんでした。</translation>
    </message>
    <message>
        <source>{camera} gave no frame for this part: {problem}</source>
        <translation>{camera} の画像がこの部品に届きませんでした：{problem}</translation>
    </message>
    <message>
        <source>{camera} gives values from {low} to {high}, and nothing says whether they are grey levels or temperatures ({cold:.1f} to {hot:.1f} °C in hundredths of a kelvin). Set bits = 16, or unit = kelvin and scale = 0.01, for the camera.</source>
        <translation>{camera} の値は {low} から {high} ですが、階調値なのか温度（1/100 ケルビン単位で {cold:.1f}～{hot:.1f} °C）なのかを示す情報がありません。カメラに bits = 16、または unit = kelvin と scale = 0.01 を設定してください。</translation>
    </message>
    <message>
        <source>{camera} gives values up to {highest} in 16 bits, and nothing says how many of the bits are used; {bundle} would see it too dark. Set the option bits of the camera, for example 12.</source>
        <translation>{camera} の値は 16 ビット中 {highest} までで、使用ビット数を示す情報がありません。このままでは {bundle} には暗すぎます。カメラのオプション bits を設定してください（例: 12）。</translation>
    </message>
    <message>
        <source>{camera} gives values up to {highest}, and {bundle} learnt values from {low:.0f} to {high:.0f}: another depth.</source>
        <translation>{camera} の値は {highest} までありますが、{bundle} が学習した値は {low:.0f} から {high:.0f} で、階調の深さが異なります。</translation>
    </message>
    <message>
        <source>{camera} gives values up to {highest}, more than the {bits} bits that it is said to use.</source>
        <translation>{camera} の値は {highest} までありますが、指定された {bits} ビットを超えています。</translation>
    </message>
    <message>
        <source>{camera} has no more frames for this part.</source>
        <translation>{camera} にはこの部品の画像がもうありません。</translation>
    </message>
    <message>
        <source>{camera} sees {count} codes.</source>
        <translation>{camera} に {count} 個のコードが写っています。</translation>
    </message>
    <message>
        <source>{count} .json {count:|file looks|files look} like COCO, and cannot be read</source>
        <translation>COCO らしい .json が {count} 個ありますが、読み込めません</translation>
    </message>
    <message>
        <source>{count} .xml {count:|file looks|files look} like Pascal VOC; {images} {images:|image has|images have} one</source>
        <translation>Pascal VOC らしい .xml が {count} 個あり、{images} 枚の画像に対応しています</translation>
    </message>
    <message>
        <source>{count} answers are wrong though the network looks at the right place. Collect and label more images like these: {names}.</source>
        <translation>正しい場所を見ているのに、{count} 件の答えが誤っています。次のような画像を集めてラベルを付けてください：{names}。</translation>
    </message>
    <message>
        <source>{count} counts of inspections differ from the inspections.</source>
        <translation>検査の件数 {count} 件が検査の記録と一致しません。</translation>
    </message>
    <message>
        <source>{count} {count:|file is a link that leads|files are links that lead} out of {folder}; {count:|it is|they are} not followed ({file} is the first).</source>
        <translation>{count} 個のファイルは {folder} の外へのリンクなので、たどりません (最初は {file})。</translation>
    </message>
    <message>
        <source>{count} {count:|image has|images have} a .txt with a line for each object</source>
        <translation>画像 {count} 枚に、物体ごとに1行の .txt があります</translation>
    </message>
    <message>
        <source>{count} {count:|image has|images have} a Supervisely .json</source>
        <translation>{count} 枚の画像に Supervisely の .json があります</translation>
    </message>
    <message>
        <source>{count} {count:|image has|images have} a YOLO .txt</source>
        <translation>{count} 枚の画像に YOLO の .txt があります</translation>
    </message>
    <message>
        <source>{count} {count:|image has|images have} a labelme .json</source>
        <translation>{count} 枚の画像に labelme の .json があります</translation>
    </message>
    <message>
        <source>{count} {count:|image has|images have} a mask</source>
        <translation>{count} 枚の画像にマスクがあります</translation>
    </message>
    <message>
        <source>{count} {count:|image has|images have} no label file and {count:|is|are} not used; if {count:|it shows a good part, let it|they show good parts, let them} count as good (--backgrounds), as Ultralytics does.</source>
        <translation>{count} 枚の画像にはラベルファイルがないため使用しません。良品の画像なら、Ultralytics と同様に良品として扱う設定にしてください (--backgrounds)。</translation>
    </message>
    <message>
        <source>{count} {count:|image has|images have} no label file; {count:|it counts|they count} as good, as asked for.</source>
        <translation>{count} 枚の画像にはラベルファイルがありません。指定どおり良品として扱います。</translation>
    </message>
    <message>
        <source>{count} {count:|image lies|images lie} beside a Label/Labels.txt of DAGM</source>
        <translation>{count} 枚の画像が DAGM の Label/Labels.txt の横にあります</translation>
    </message>
    <message>
        <source>{count} {count:|image lies|images lie} in train/good, test and ground_truth</source>
        <translation>{count} 枚の画像が train/good、test、ground_truth にあります</translation>
    </message>
    <message>
        <source>{count} {count:|image lies|images lie} in {classes} folders</source>
        <translation>{count} 枚の画像が {classes} 個のフォルダにあります</translation>
    </message>
    <message>
        <source>{count} inspections in the table of results have no record.</source>
        <translation>結果の表の検査 {count} 件に記録がありません。</translation>
    </message>
    <message>
        <source>{count} {count:|mask is a JPEG file|masks are JPEG files}, whose values are not exact; save masks as .png.</source>
        <translation>{count} 個のマスクは値が正確でない JPEG です。マスクは .png で保存してください。</translation>
    </message>
    <message>
        <source>{count} {count:|object is|objects are} larger than a tile of {size} px: the network sees only pieces of {count:|it|them}.</source>
        <translation>{count} 個の対象が {size} px のタイルより大きく、ネットワークには一部しか見えません。</translation>
    </message>
    <message>
        <source>{count} {count:|object has|objects have} a box and no outline; the whole box counts as defect.</source>
        <translation>{count} 個の物体には枠だけがあり輪郭がありません。枠全体を欠陥とみなします。</translation>
    </message>
    <message>
        <source>{count} of the {total} {total:|box|boxes} in {folder} reach out of their images: they are for images of another size, or their numbers mean something else.</source>
        <translation>{folder} の枠 {total} 個のうち {count} 個が画像の外にはみ出しています。別の大きさの画像用の枠か、数値の意味が異なります。</translation>
    </message>
    <message>
        <source>{count} {count:|part has|parts have} not reached {what}, which is too slow.</source>
        <translation>{count} 個の部品が {what} に届いていません。処理が遅すぎます。</translation>
    </message>
    <message>
        <source>{count} pixels of the masks have the value 255 and are ignored: nobody said what they show.</source>
        <translation>マスクの {count} 画素は値が 255 (ラベルなし) なので無視します。</translation>
    </message>
    <message>
        <source>{count} {count:|record|records} could not be written to the journal {folder}.</source>
        <translation>{count} 件の記録をジャーナル {folder} に書き込めませんでした。</translation>
    </message>
    <message>
        <source>{count} samples in {groups} groups are too few for training, validation and test.</source>
        <translation>{groups} グループの {count} 件では、学習・検証・テストに足りません。</translation>
    </message>
    <message>
        <source>{detail}.</source>
        <translation>{detail}。</translation>
    </message>
    <message>
        <source>{engine} cannot compute in {precision} on this machine: its processor has no instructions for it.</source>
        <translation>このコンピューターのプロセッサーには命令がないため、{engine} は {precision} で計算できません。</translation>
    </message>
    <message>
        <source>{engine} cannot open {file} ({detail}).</source>
        <translation>{engine} は {file} を開けません（{detail}）。</translation>
    </message>
    <message>
        <source>{engine} could not run {bundle} ({detail}).</source>
        <translation>{engine} は {bundle} を実行できませんでした（{detail}）。</translation>
    </message>
    <message>
        <source>{engine} does not run bundles in {precision}.</source>
        <translation>{engine} はバンドルを {precision} で実行しません。</translation>
    </message>
    <message>
        <source>{engine} {version} failed: {problem}</source>
        <translation>{engine} {version} は不合格です：{problem}</translation>
    </message>
    <message>
        <source>{engine} {version}: {milliseconds:.1f} ms an image, and its answers to {images} reference images are right.</source>
        <translation>{engine} {version}：1画像あたり{milliseconds:.1f} ms、{images}枚の基準画像の結果は正しいです。</translation>
    </message>
    <message>
        <source>{engine}, because {failed} failed its self-test.</source>
        <translation>{failed}が自己診断に不合格だったため、{engine}を使います。</translation>
    </message>
    <message>
        <source>{epochs} {epochs:|epoch is|epochs are} the fewest that {epochs:|makes|make} sense; {epochs:|it takes|they take} more than an hour here.</source>
        <translation>意味のある最少のエポック数は {epochs} で、このコンピューターでは 1 時間以上かかります。</translation>
    </message>
    <message>
        <source>Leave out --mirrored. Detection needs FPN on EfficientNet-Lite0, and sides that are multiples of 32 px.</source>
        <translation>--mirrored を省いてください。検出では EfficientNet-Lite0 の FPN と、32 px の倍数の辺が必要です。</translation>
    </message>
    <message>
        <source>tables of labels list about {count} images</source>
        <translation>ラベルの表に約 {count} 枚の画像が記載されています</translation>
    </message>
    <message>
        <source>{epochs} {epochs:|epoch|epochs}, so that it takes about an hour; {wanted} would be better.</source>
        <translation>約 1 時間で終わるように {epochs} エポックにします。{wanted} エポックのほうが良い結果になります。</translation>
    </message>
    <message>
        <source>{failed} failed its self-test on this computer, so {engine} judges instead. Install the program again.</source>
        <translation>{failed}はこのコンピューターでの自己診断に不合格だったため、代わりに{engine}が判定します。プログラムをもう一度インストールしてください。</translation>
    </message>
    <message>
        <source>{file} cannot be deleted ({detail}).</source>
        <translation>{file} を削除できません（{detail}）。</translation>
    </message>
    <message>
        <source>{file} cannot be imported: ONNX Runtime does not run it ({detail}); {found}.</source>
        <translation>{file} は取り込めません: ONNX Runtime で動きません ({detail})。{found}。</translation>
    </message>
    <message>
        <source>{file} cannot be imported: it has more than 2 GB, the most that an ONNX file can have.</source>
        <translation>{file} は取り込めません: ONNX ファイルの上限である 2 GB を超えています。</translation>
    </message>
    <message>
        <source>{file} cannot be imported: it is not an ONNX graph, or only a part of one.</source>
        <translation>{file} は取り込めません: ONNX グラフではないか、途中で切れています。</translation>
    </message>
    <message>
        <source>{file} cannot be imported: it takes {count} pictures at once.</source>
        <translation>{file} は取り込めません: 一度に {count} 枚の画像を受け取ります。</translation>
    </message>
    <message>
        <source>{file} cannot be imported: it uses operator set {opset} and format {format}, and this program reads up to {newest} and {known}.</source>
        <translation>{file} は取り込めません: 演算子セット {opset}・形式 {format} を使っていますが、このプログラムが読めるのは {newest}・{known} までです。</translation>
    </message>
    <message>
        <source>{file} cannot be imported: it uses operator set {opset}, which cannot be converted to {oldest}.</source>
        <translation>{file} は取り込めません: 演算子セット {opset} を {oldest} に変換できません。</translation>
    </message>
    <message>
        <source>{file} cannot be imported: its weights lie in other files ({names}).</source>
        <translation>{file} は取り込めません: 重みが別のファイル ({names}) にあります。</translation>
    </message>
    <message>
        <source>{file} cannot be imported: no input takes pictures; {found}.</source>
        <translation>{file} は取り込めません: 画像を受け取る入力がありません ({found})。</translation>
    </message>
    <message>
        <source>{file} cannot be imported: pictures are float32, float16 or uint8; {found}.</source>
        <translation>{file} は取り込めません: 画像は float32、float16、uint8 のいずれかです ({found})。</translation>
    </message>
    <message>
        <source>{file} cannot be imported: pictures have 1 or 3 channels; {found}.</source>
        <translation>{file} は取り込めません: 画像は 1 または 3 チャンネルです ({found})。</translation>
    </message>
    <message>
        <source>{file} cannot be imported: the graph is not valid ({detail}).</source>
        <translation>{file} は取り込めません: グラフが正しくありません ({detail})。</translation>
    </message>
    <message>
        <source>{file} cannot be imported: {name} is no tensor.</source>
        <translation>{file} は取り込めません: {name} はテンソルではありません。</translation>
    </message>
    <message>
        <source>{file} cannot be read ({detail}).</source>
        <translation>{file} を読み取れません（{detail}）。</translation>
    </message>
    <message>
        <source>{file} cannot be read as a video.</source>
        <translation>{file} を動画として読み取れません。</translation>
    </message>
    <message>
        <source>{file} cannot be read.</source>
        <translation>{file} を読み込めません。</translation>
    </message>
    <message>
        <source>{file} cannot be removed ({detail}).</source>
        <translation>{file} を削除できません（{detail}）。</translation>
    </message>
    <message>
        <source>{file} cannot be used ({detail}).</source>
        <translation>{file} を使用できません（{detail}）。</translation>
    </message>
    <message>
        <source>{file} cannot be used for {task}: it is an Ultralytics network for {kind}.</source>
        <translation>{file} は {task} には使えません: Ultralytics の {kind} 用ネットワークです。</translation>
    </message>
    <message>
        <source>{file} cannot be used for {task}; {found}.</source>
        <translation>{file} は {task} には使えません ({found})。</translation>
    </message>
    <message>
        <source>{file} cannot be written ({detail}).</source>
        <translation>{file} に書き込めません（{detail}）。</translation>
    </message>
    <message>
        <source>{file} cannot be written.</source>
        <translation>{file} に書き込めません。</translation>
    </message>
    <message>
        <source>{file} does not hold a camera&apos;s raw values, so its emissivity and surroundings cannot be changed.</source>
        <translation>{file} にはカメラの生データがないため、放射率と周囲条件は変更できません。</translation>
    </message>
    <message>
        <source>{file} does not hold a table of tensors.</source>
        <translation>{file} にはテンソルの表がありません。</translation>
    </message>
    <message>
        <source>{file} does not show the target of {columns} x {rows} spots.</source>
        <translation>{file} に {columns} x {rows} 点のターゲットが写っていません。</translation>
    </message>
    <message>
        <source>{file} gives boxes as fractions of the picture, where pixels of its input are expected.</source>
        <translation>{file} は枠を画像に対する割合で出力しますが、入力の画素単位が必要です。</translation>
    </message>
    <message>
        <source>{file} gives each class a score of its own; a classifier names one class for each picture.</source>
        <translation>{file} はクラスごとに独立したスコアを出しますが、分類器は画像ごとに 1 つのクラスを選びます。</translation>
    </message>
    <message>
        <source>{file} gives the class {name!r} the value 0, which pixels without a label have as well; its objects are lost.</source>
        <translation>{file} ではクラス {name!r} の値が 0 です。ラベルのない画素も 0 なので、このクラスの対象は失われています。</translation>
    </message>
    <message>
        <source>{file} gives values from {low:.3g} to {high:.3g} where 0 to 1 is expected: nothing says where the limit is.</source>
        <translation>{file} の値は {low:.3g}～{high:.3g} で、0～1 ではありません。限度がどこか分かりません。</translation>
    </message>
    <message>
        <source>{file} gives values from {low:.3g} to {high:.3g} where scores from 0 to 1 are expected.</source>
        <translation>{file} は {low:.3g} から {high:.3g} の値を出力しますが、0 から 1 のスコアが必要です。</translation>
    </message>
    <message>
        <source>{file} gives values from {low:.3g} to {high:.3g}; those of a mask are below 0 where nothing is.</source>
        <translation>{file} は {low:.3g} から {high:.3g} の値を出力します。マスクなら、何もない所の値は 0 より小さくなります。</translation>
    </message>
    <message>
        <source>{file} gives whole numbers, in which no score is left; {found}.</source>
        <translation>{file} は整数を出力し、スコアが残っていません。{found}。</translation>
    </message>
    <message>
        <source>{file} has an area of the value {value}, which is neither black nor white; it is not used.</source>
        <translation>{file} には黒でも白でもない値 {value} の領域があるため、使用しません。</translation>
    </message>
    <message>
        <source>{file} has no class {name!r}.</source>
        <translation>{file} にクラス {name!r} はありません。</translation>
    </message>
    <message>
        <source>{file} has no image.</source>
        <translation>{file} に対応する画像がありません。</translation>
    </message>
    <message>
        <source>{file} has no label and is not used.</source>
        <translation>{file} にはラベルがないため使いません。</translation>
    </message>
    <message>
        <source>{file} has no mask (a .png of the same name).</source>
        <translation>{file} にはマスク (同じ名前の .png) がありません。</translation>
    </message>
    <message>
        <source>{file} has one output value, and a classifier has one for each class.</source>
        <translation>{file} の出力は 1 個ですが、分類器にはクラスごとに 1 個必要です。</translation>
    </message>
    <message>
        <source>{file} has only regions of which it is not known what they show; it is not used.</source>
        <translation>{file} には内容が不明な領域しかないため使用しません。</translation>
    </message>
    <message>
        <source>{file} has regions that are ignored, which this layout cannot hold; it is left out.</source>
        <translation>{file} には無視する領域があり、この形式では表せないため除外します。</translation>
    </message>
    <message>
        <source>{file} has segments that are not listed.</source>
        <translation>{file} に、一覧にないセグメントがあります。</translation>
    </message>
    <message>
        <source>{file} has several labels and is not used: it can be of one class only.</source>
        <translation>{file} には複数のラベルがあるため使用しません。クラスは 1 つだけです。</translation>
    </message>
    <message>
        <source>{file} has the class number {number}, which has no name.</source>
        <translation>{file} のクラス番号 {number} には名前がありません。</translation>
    </message>
    <message>
        <source>{file} has too many shades of grey for a mask in black and white; it is not used.</source>
        <translation>{file} は白黒のマスクとしては中間の灰色が多すぎます。使いません。</translation>
    </message>
    <message>
        <source>{file} has values above 0, but no white (128 or more); it is not used.</source>
        <translation>{file} には 0 より大きい値がありますが、白 (128 以上) がありません。使いません。</translation>
    </message>
    <message>
        <source>{file} has values above the number of classes.</source>
        <translation>{file} にはクラス数より大きい値があります。</translation>
    </message>
    <message>
        <source>{file} has {count} flags and is not used: its class is the one flag that is set.</source>
        <translation>{file} には有効なフラグが {count} 個あるため使用しません。クラスは 1 つの有効なフラグで決まります。</translation>
    </message>
    <message>
        <source>{file} has {count} labels and is not used: it can be of one class only.</source>
        <translation>{file} にはラベルが {count} 個あるため使用しません。クラスは 1 つだけです。</translation>
    </message>
    <message>
        <source>{file} has {size} MB, more than the {limit} MB that are read.</source>
        <translation>{file} は {size} MB で、読み込める {limit} MB を超えています。</translation>
    </message>
    <message>
        <source>{file} holds a kind of pixels that is not read: {detail}.</source>
        <translation>{file} の画素形式には対応していません：{detail}。</translation>
    </message>
    <message>
        <source>{file} holds colours, which no scale makes into temperatures.</source>
        <translation>{file} は色の画像です。換算式では温度になりません。</translation>
    </message>
    <message>
        <source>{file} holds interlaced video (of fields), which cannot be converted here.</source>
        <translation>{file} はインターレース（フィールド）の動画で、ここでは変換できません。</translation>
    </message>
    <message>
        <source>{file} holds labels that were given by hand</source>
        <translation>{file} に手で付けたラベルがあります</translation>
    </message>
    <message>
        <source>{file} holds no temperatures and is not used.</source>
        <translation>{file} には温度がないため使いません。</translation>
    </message>
    <message>
        <source>{file} is a folder, not an image.</source>
        <translation>{file} は画像ではなくフォルダーです。</translation>
    </message>
    <message>
        <source>{file} is a picture of the kind {kind}, which is not read.</source>
        <translation>{file} は {kind} 形式の画像で、読み込めません。</translation>
    </message>
    <message>
        <source>{file} is an Ultralytics network for {kind}, with an output that is not known; {found}.</source>
        <translation>{file} は Ultralytics の {kind} 用ネットワークですが、出力の形が知られていません ({found})。</translation>
    </message>
    <message>
        <source>{file} is an Ultralytics network for {kind}; it can be imported for {kinds}.</source>
        <translation>{file} は Ultralytics の {kind} 用ネットワークです。取り込めるのは {kinds} 用です。</translation>
    </message>
    <message>
        <source>{file} is damaged or cut short ({detail}).</source>
        <translation>{file} は破損しているか途中で切れています（{detail}）。</translation>
    </message>
    <message>
        <source>{file} is empty.</source>
        <translation>{file} は空です。</translation>
    </message>
    <message>
        <source>{file} is for an image of {said_width:.0f} x {said_height:.0f} px, but {image} has {width} x {height} px.</source>
        <translation>{file} は {said_width:.0f} x {said_height:.0f} px の画像用ですが、{image} は {width} x {height} px です。</translation>
    </message>
    <message>
        <source>{file} is listed in temperatures.csv but is not there.</source>
        <translation>{file} は temperatures.csv に記載されていますが、ありません。</translation>
    </message>
    <message>
        <source>{file} is listed with different temperatures; it is not used.</source>
        <translation>{file} は異なる温度で 2 回以上記載されています。使いません。</translation>
    </message>
    <message>
        <source>{file} is no class, because its name begins with an underscore; its images are not used.</source>
        <translation>{file} は名前がアンダースコアで始まるためクラスではありません。中の画像は使いません。</translation>
    </message>
    <message>
        <source>{file} is not JSON ({detail}).</source>
        <translation>{file} は JSON ではありません（{detail}）。</translation>
    </message>
    <message>
        <source>{file} is not JSON that can be read ({detail}).</source>
        <translation>{file} は読み取れる JSON ではありません({detail})。</translation>
    </message>
    <message>
        <source>{file} is not a COCO file ({detail}).</source>
        <translation>{file} は COCO のファイルではありません({detail})。</translation>
    </message>
    <message>
        <source>{file} is not a Supervisely file.</source>
        <translation>{file} は Supervisely のファイルではありません。</translation>
    </message>
    <message>
        <source>{file} is not a file of plain weights.</source>
        <translation>{file} は重みだけのファイルではありません。</translation>
    </message>
    <message>
        <source>{file} is not a file.</source>
        <translation>{file} はファイルではありません。</translation>
    </message>
    <message>
        <source>{file} is not a labelme file ({detail}).</source>
        <translation>{file} は labelme のファイルではありません({detail})。</translation>
    </message>
    <message>
        <source>{file} is not a labelme file.</source>
        <translation>{file} は labelme のファイルではありません。</translation>
    </message>
    <message>
        <source>{file} is not a list of settings.</source>
        <translation>{file} は設定の一覧ではありません。</translation>
    </message>
    <message>
        <source>{file} is not a registration ({detail}).</source>
        <translation>{file} は位置合わせのファイルではありません（{detail}）。</translation>
    </message>
    <message>
        <source>{file} is not a report ({detail}).</source>
        <translation>{file} はレポートではありません({detail})。</translation>
    </message>
    <message>
        <source>{file} is not a safetensors file ({detail}).</source>
        <translation>{file} は safetensors ファイルではありません（{detail}）。</translation>
    </message>
    <message>
        <source>{file} is not a valid bundle card: {detail}.</source>
        <translation>{file} はバンドルのカードとして正しくありません：{detail}。</translation>
    </message>
    <message>
        <source>{file} is not an Ed25519 {kind} key in PEM.</source>
        <translation>{file} は PEM 形式の Ed25519 鍵({kind})ではありません。</translation>
    </message>
    <message>
        <source>{file} is not an image that can be read.</source>
        <translation>{file} は読み取れる画像ではありません。</translation>
    </message>
    <message>
        <source>{file} is not the record of a training run ({detail}).</source>
        <translation>{file} は学習の記録ではありません({detail})。</translation>
    </message>
    <message>
        <source>{file} is not understood as a table of labels.</source>
        <translation>{file} はラベルの表として読み取れません。</translation>
    </message>
    <message>
        <source>{file} is not written to its end.</source>
        <translation>{file} は最後まで書き込まれていません。</translation>
    </message>
    <message>
        <source>{file} is of no kind that is known; {found}.</source>
        <translation>{file} は知られている種類のどれでもありません ({found})。</translation>
    </message>
    <message>
        <source>{file} is {width} x {height} pixels; at most {side} a side and {pixels} million in all are read.</source>
        <translation>{file} は {width} x {height} 画素です。読み込めるのは一辺 {side} 画素、全体で {pixels} 百万画素までです。</translation>
    </message>
    <message>
        <source>{file} lacks columns.</source>
        <translation>{file} に列が足りません。</translation>
    </message>
    <message>
        <source>{file} line {line} is not a label ({detail}).</source>
        <translation>{file} の {line} 行目はラベルではありません({detail})。</translation>
    </message>
    <message>
        <source>{file} line {line}: not three temperatures in kelvin.</source>
        <translation>{file} の {line} 行目: ケルビンの温度 3 つではありません。</translation>
    </message>
    <message>
        <source>{file} line {line}: the confidence {value!r} is not a number above 0 and up to 1; {image} is not used.</source>
        <translation>{file} の {line} 行目: confidence の {value!r} は 0 より大きく 1 以下の数値ではありません。{image} は使用しません。</translation>
    </message>
    <message>
        <source>{file} line {line}: {split!r} is not train, val or test.</source>
        <translation>{file} の {line} 行目: {split!r} は train・val・test のいずれでもありません。</translation>
    </message>
    <message>
        <source>{file} may not be read.</source>
        <translation>{file} を読み取る権限がありません。</translation>
    </message>
    <message>
        <source>{file} names a class twice.</source>
        <translation>{file} に同じクラスが 2 回あります。</translation>
    </message>
    <message>
        <source>{file} names no class.</source>
        <translation>{file} にクラス名がありません。</translation>
    </message>
    <message>
        <source>{file} names none of its classes; {found}.</source>
        <translation>{file} にはクラス名がありません ({found})。</translation>
    </message>
    <message>
        <source>{file} names {count} classes, some of them twice or not at all, or more than {most}.</source>
        <translation>{file} には {count} 個のクラス名があり、重複・欠落があるか、{most} 個を超えています。</translation>
    </message>
    <message>
        <source>{file} needs {size} MB once it is decoded; at most {limit} MB are read.</source>
        <translation>{file} はデコードに {size} MB 必要です。読み込めるのは {limit} MB までです。</translation>
    </message>
    <message>
        <source>{file} takes pictures of any size, and nothing says which its network learnt; {found}.</source>
        <translation>{file} は任意の大きさの画像を受け取り、学習時の大きさが分かりません ({found})。</translation>
    </message>
    <message>
        <source>{file} takes pictures of {width} x {height} pixels, and no others.</source>
        <translation>{file} が受け取るのは {width} x {height} ピクセルの画像だけです。</translation>
    </message>
    <message>
        <source>{file} takes pictures of {width} x {height} pixels; 8 to {most} a side can be used.</source>
        <translation>{file} は {width} x {height} ピクセルの画像を受け取りますが、使えるのは一辺 8～{most} です。</translation>
    </message>
    <message>
        <source>{file} tells apart what is usual and what is not: {count} names were given, it takes {needed}.</source>
        <translation>{file} は正常かどうかを区別します: 名前は {needed} 個必要ですが、{count} 個指定されました。</translation>
    </message>
    <message>
        <source>{file} tells {found} classes apart, and {count} are named; {graph}.</source>
        <translation>{file} は {found} クラスを区別しますが、名前は {count} 個です ({graph})。</translation>
    </message>
    <message>
        <source>{file} was written by a newer version of this program (format {found}; this one reads {known}) and is kept.</source>
        <translation>{file}はこのプログラムの新しいバージョンで書かれたもので（形式{found}、このバージョンが読めるのは{known}）、そのまま残します。</translation>
    </message>
    <message>
        <source>{file} was written by a newer version of this program (format {found}; this one reads {known}).</source>
        <translation>{file} はこのプログラムのより新しいバージョンで書かれています（形式 {found}。このバージョンが読めるのは {known}）。</translation>
    </message>
    <message>
        <source>{file}: a box of {name!r} reaches out of the image; it is clipped.</source>
        <translation>{file}: {name!r} の枠が画像からはみ出しています。切り詰めます。</translation>
    </message>
    <message>
        <source>{file}: none of its objects can be used, so its image is not used.</source>
        <translation>{file}：使える対象が 1 つもないため、画像を使いません。</translation>
    </message>
    <message>
        <source>{file}: the box of {name!r} is empty or outside the image; it is left out.</source>
        <translation>{file}: {name!r} の枠は空か画像の外にあります。使いません。</translation>
    </message>
    <message>
        <source>{file}: the labels of {image} are wrong ({detail}).</source>
        <translation>{file}: {image} のラベルに誤りがあります({detail})。</translation>
    </message>
    <message>
        <source>{file}: {count} annotations are of crowds (iscrowd); they are no objects, and their regions are ignored.</source>
        <translation>{file}: {count} 個のアノテーションは群れ (iscrowd) です。物体とはみなさず、その領域は無視します。</translation>
    </message>
    <message>
        <source>{file}: {key} is {text!r}, not a number.</source>
        <translation>{file}: {key} は {text!r} で、数値ではありません。</translation>
    </message>
    <message>
        <source>{file}: {line!r} is not a label ({detail}).</source>
        <translation>{file}：{line!r} はラベルではありません（{detail}）。</translation>
    </message>
    <message>
        <source>{file}: {problem}</source>
        <translation>{file}: {problem}</translation>
    </message>
    <message>
        <source>{first} {then}</source>
        <translation>{first} {then}</translation>
    </message>
    <message>
        <source>{folder} cannot be deleted ({detail}).</source>
        <translation>{folder} を削除できません({detail})。</translation>
    </message>
    <message>
        <source>{folder} cannot be read ({detail}).</source>
        <translation>{folder} を読めません({detail})。</translation>
    </message>
    <message>
        <source>{folder} exists already.</source>
        <translation>{folder} はすでに存在します。</translation>
    </message>
    <message>
        <source>{folder} exists and is not a bundle.</source>
        <translation>{folder} は既にありますが、バンドルではありません。</translation>
    </message>
    <message>
        <source>{folder} exists and is not a training run.</source>
        <translation>{folder} は既にありますが、学習の記録ではありません。</translation>
    </message>
    <message>
        <source>{folder} has {count} classes; a mask holds at most {limit}.</source>
        <translation>{folder} には {count} 個のクラスがあります。マスクで表せるのは {limit} 個までです。</translation>
    </message>
    <message>
        <source>{folder} has {count} {count:|image|images}, but its {files} {files:|file is|files are} in no layout that is understood.</source>
        <translation>{folder} には {count} 枚の画像がありますが、{files} ファイルは対応しているどの形式でもありません。</translation>
    </message>
    <message>
        <source>{folder} holds no picture of 8 bits that the network could be compared on.</source>
        <translation>{folder} には、ネットワークを比較できる 8 ビットの画像がありません。</translation>
    </message>
    <message>
        <source>{folder} holds nothing labelled for {task}.</source>
        <translation>{folder} には {task} 用のラベルがありません。</translation>
    </message>
    <message>
        <source>{folder} holds nothing labelled for {task}: {why}</source>
        <translation>{folder} には {task} 用のラベルがありません：{why}</translation>
    </message>
    <message>
        <source>{folder} is a link that leads out of the archive; it is not followed.</source>
        <translation>{folder} はアーカイブの外を指すリンクのため、たどりません。</translation>
    </message>
    <message>
        <source>{folder} is a link that leads out of the data folder; it is not followed. Copy what it leads to, if it belongs to the data.</source>
        <translation>{folder} はデータフォルダの外へのリンクなので、たどりません。データの一部であれば、リンク先をコピーしてください。</translation>
    </message>
    <message>
        <source>{folder} is not a training run.</source>
        <translation>{folder} は学習の記録ではありません。</translation>
    </message>
    <message>
        <source>{folder} is not an empty folder.</source>
        <translation>{folder} は空のフォルダーではありません。</translation>
    </message>
    <message>
        <source>{folder} is not empty.</source>
        <translation>{folder} は空ではありません。</translation>
    </message>
    <message>
        <source>{groups} groups of images are too few for {folds} folds.</source>
        <translation>画像 {groups} グループでは {folds} 分割には足りません。</translation>
    </message>
    <message>
        <source>{image} has {count} annotations in {file}; it is not used.</source>
        <translation>{image} には {file} に {count} 個のアノテーションがあるため使用しません。</translation>
    </message>
    <message>
        <source>{image} is listed in {file} but is not there.</source>
        <translation>{image} は {file} にありますが、見つかりません。</translation>
    </message>
    <message>
        <source>{image} is listed twice; the first is used.</source>
        <translation>{image} が 2 回あります。最初のものを使います。</translation>
    </message>
    <message>
        <source>{image} is listed with different labels in {file}; it is not used.</source>
        <translation>{image} は {file} に異なるラベルで載っています。使いません。</translation>
    </message>
    <message>
        <source>{label} cannot be loaded ({detail}).</source>
        <translation>{label}を読み込めません（{detail}）。</translation>
    </message>
    <message>
        <source>{label} needs the Python package {package}, which is not installed.</source>
        <translation>{label} に必要な Python パッケージ {package} がインストールされていません。</translation>
    </message>
    <message>
        <source>{layout!r} is no layout.</source>
        <translation>{layout!r} という形式はありません。</translation>
    </message>
    <message>
        <source>{more} more images are too many to forecast from {count}; ask again when there are more.</source>
        <translation>{count} 枚から {more} 枚増やした場合は予測できません。画像が増えてからもう一度試してください。</translation>
    </message>
    <message>
        <source>{most} has {times:.0f} times as many images as {least}; rare classes are given more weight.</source>
        <translation>{most} の画像は {least} の {times:.0f} 倍です。少ないクラスを重く扱います。</translation>
    </message>
    <message>
        <source>{most} is in {times:.0f} times as many images as {least}, which will be found less surely: add images of it.</source>
        <translation>{most} を含む画像は {least} を含む画像の {times:.0f} 倍あり、後者は見つかりにくくなります。その画像を追加してください。</translation>
    </message>
    <message>
        <source>{names} are never what most of an image&apos;s objects are: detection can learn them, classification cannot.</source>
        <translation>{names} が画像内の物体の過半を占めることはないため、検出では学習できますが、分類では学習できません。</translation>
    </message>
    <message>
        <source>{names} are the same image with different labels; none of them is used.</source>
        <translation>{names} は同じ画像でラベルが異なります。どれも使いません。</translation>
    </message>
    <message>
        <source>{names} are the same image; only {name} is used.</source>
        <translation>{names} は同じ画像です。{name} だけを使います。</translation>
    </message>
    <message>
        <source>{names} look the same but are in different parts of the split; {left} not used.</source>
        <translation>{names} は同じように見えますが、分割の異なる部分にあります。{left} は使いません。</translation>
    </message>
    <message>
        <source>{names} look the same but have different labels; please check them.</source>
        <translation>{names} は同じように見えますがラベルが異なります。確認してください。</translation>
    </message>
    <message>
        <source>{names} look the same; they are kept in the same part of the split.</source>
        <translation>{names} は同じように見えます。分割の同じ部分に置きます。</translation>
    </message>
    <message>
        <source>{name} (score {score:.2f})</source>
        <translation>{name}（スコア {score:.2f}）</translation>
    </message>
    <message>
        <source>{name} (score {score:.2f}), not certain enough for {limit:.2f}</source>
        <translation>{name}（スコア {score:.2f}）、確信度が {limit:.2f} に届きません</translation>
    </message>
    <message>
        <source>{name} = {value:g} is not possible; it lies between {low:g} and {high:g}.</source>
        <translation>{name} = {value:g} はありえません。{low:g} から {high:g} の間です。</translation>
    </message>
    <message>
        <source>{name} has {count} {count:|image|images}: too few to learn it well.</source>
        <translation>{name} は {count} 枚で、十分に学習するには少なすぎます。</translation>
    </message>
    <message>
        <source>{name} is never found: {kind} is 0, with {count} tested. Add images of it, use a larger input, or train longer.</source>
        <translation>{name} は一度も検出されません({kind} は 0、テスト数 {count})。その画像を追加するか、入力を大きくするか、学習を長くしてください。</translation>
    </message>
    <message>
        <source>{name} is never what most objects of a training image are: detection can learn it, classification cannot.</source>
        <translation>{name} が学習画像内の物体の過半を占めることはないため、検出では学習できますが、分類では学習できません。</translation>
    </message>
    <message>
        <source>{network} computes {times:.1f} times as long a part.</source>
        <translation>{network} は 1 個あたり {times:.1f} 倍の時間がかかります。</translation>
    </message>
    <message>
        <source>{network} has no head called {head!r}.</source>
        <translation>{network} に {head!r} という出力部はありません。</translation>
    </message>
    <message>
        <source>{network} needs {share:.0f} % of the computing time a part.</source>
        <translation>{network} の 1 個あたりの計算時間は {share:.0f} % です。</translation>
    </message>
    <message>
        <source>{network}: it learns from {count:|this|these} {count} {count:|image|images} alone.</source>
        <translation>{network}: この {count} 枚の画像だけから学習します。</translation>
    </message>
    <message>
        <source>{network}: it starts from a network that knows pictures already, and learns from fewer images; here are {count}.</source>
        <translation>{network}: 画像を学習済みのネットワークから始めるので、少ない画像で学習できます(ここでは {count} 枚)。</translation>
    </message>
    <message>
        <source>{network}: made for the small pictures of thermal cameras.</source>
        <translation>{network}: 熱画像カメラの小さな画像向けです。</translation>
    </message>
    <message>
        <source>{one}; or {other}</source>
        <translation>{one}、または {other}</translation>
    </message>
    <message>
        <source>{pattern!r} is not a regular expression ({detail}).</source>
        <translation>{pattern!r} は正規表現ではありません（{detail}）。</translation>
    </message>
    <message>
        <source>{problem} {variants} judges instead.</source>
        <translation>{problem} 代わりに {variants} が判定します。</translation>
    </message>
    <message>
        <source>{reason} (tuned on {when} for revision {before} of the recipe, which is at {now} now)</source>
        <translation>{reason}（{when} に調整。レシピの改訂 {before} に対するもので、現在は改訂 {now}）</translation>
    </message>
    <message>
        <source>{reason} (tuned on {when})</source>
        <translation>{reason}（{when} に調整）</translation>
    </message>
    <message>
        <source>{reason}, as the difference to the mean of the last {count} good parts ({mean} {unit})</source>
        <translation>{reason}(直近の良品 {count} 個の平均 {mean} {unit} との差)</translation>
    </message>
    <message>
        <source>{reason}, as the difference to the place {place} ({mean} {unit})</source>
        <translation>{reason}、場所 {place} ({mean} {unit}) との差</translation>
    </message>
    <message>
        <source>{reason}, as the rise a minute over {seconds:g} s</source>
        <translation>{reason}、{seconds:g} 秒間から求めた 1 分あたりの上昇</translation>
    </message>
    <message>
        <source>{records} {records:|record|records} and {pictures} {pictures:|picture|pictures} could not be saved in {folder}.</source>
        <translation>{folder} に {records} 件の記録と {pictures} 枚の画像を保存できませんでした。</translation>
    </message>
    <message>
        <source>{source!r} is not a source.</source>
        <translation>{source!r} は入力元として使えません。</translation>
    </message>
    <message>
        <source>{source} answers with the error {status}.</source>
        <translation>{source} がエラー {status} を返しました。</translation>
    </message>
    <message>
        <source>{source} cannot be opened.</source>
        <translation>{source} を開けません。</translation>
    </message>
    <message>
        <source>{source} gives {kind}, which is neither MJPEG, a JPEG snapshot nor another video.</source>
        <translation>{source} が返す {kind} は、MJPEG でも JPEG スナップショットでも他の動画でもありません。</translation>
    </message>
    <message>
        <source>{source} has given no frame for {timeout:g} s.</source>
        <translation>{source} から {timeout:g} 秒間フレームが届いていません。</translation>
    </message>
    <message>
        <source>{source} has sent a picture a second time; it is an old one.</source>
        <translation>{source} から同じ画像が再び送られました。古い画像です。</translation>
    </message>
    <message>
        <source>{source} refuses the user or the password.</source>
        <translation>{source} がユーザー名またはパスワードを拒否しました。</translation>
    </message>
    <message>
        <source>{source} sends interlaced video (of fields), which cannot be converted here.</source>
        <translation>{source} はインターレース映像（フィールド）を送信しており、ここでは変換できません。</translation>
    </message>
    <message>
        <source>{source} sends its video over UDP only, where lost pictures cannot be told.</source>
        <translation>{source} は UDP でのみ映像を送るため、失われた画像を判別できません。</translation>
    </message>
    <message>
        <source>{task} answers for whole images, not for tiles.</source>
        <translation>{task} は画像全体に対して答えるもので、タイルには使えません。</translation>
    </message>
    <message>
        <source>{task} learns from whole images, not from pieces.</source>
        <translation>{task} は部分画像ではなく画像全体から学習します。</translation>
    </message>
    <message>
        <source>{variants} on {threads} threads is the cheapest that keeps the takt of {takt:.0f} ms: 99 of 100 parts take at most {p99:.1f} ms.</source>
        <translation>タクト {takt:.0f} ms を守る最も軽いものは {variants}（{threads} スレッド）です。100 個中 99 個の部品が {p99:.1f} ms 以内です。</translation>
    </message>
    <message>
        <source>{variants}, as the recipe says, because no tuned choice holds.</source>
        <translation>調整結果が使えないため、レシピのとおり {variants} が判定します。</translation>
    </message>
    <message>
        <source>{variants}, as the recipe says; it was not tuned on this computer.</source>
        <translation>レシピのとおり {variants} が判定します（このコンピューターでは未調整）。</translation>
    </message>
    <message>
        <source>{what} has not been done with one part for {seconds:.0f} s.</source>
        <translation>{what} が 1 つの部品の処理を {seconds:.0f} 秒たっても終えていません。</translation>
    </message>
    <message>
        <source>{why}; this is not used, because the folder is read as {title}.</source>
        <translation>{why}。フォルダは {title} として読み込むため、これは使用しません。</translation>
    </message>
    <message>
        <source>{width} x {height} px: shows smaller defects.</source>
        <translation>{width} x {height} px: より小さな欠陥まで写ります。</translation>
    </message>
</context>
<context>
    <name>networks</name>
    <message>
        <source>EfficientNet-B0</source>
        <translation>EfficientNet-B0</translation>
    </message>
    <message>
        <source>EfficientNet-Lite0</source>
        <translation>EfficientNet-Lite0</translation>
    </message>
    <message>
        <source>FPN on EfficientNet-Lite0</source>
        <translation>FPN（EfficientNet-Lite0 上）</translation>
    </message>
    <message>
        <source>ResNet-50</source>
        <translation>ResNet-50</translation>
    </message>
    <message>
        <source>SimpleCNN</source>
        <translation>SimpleCNN</translation>
    </message>
    <message>
        <source>SimpleYOLO</source>
        <translation>SimpleYOLO</translation>
    </message>
    <message>
        <source>ThermalCNN</source>
        <translation>ThermalCNN</translation>
    </message>
    <message>
        <source>U-Net</source>
        <translation>U-Net</translation>
    </message>
    <message>
        <source>U-Net on EfficientNet-Lite0</source>
        <translation>U-Net（EfficientNet-Lite0 上）</translation>
    </message>
</context>
<context>
    <name>results</name>
    <message>
        <source>{low} to {high}</source>
        <translation>{low}〜{high}</translation>
    </message>
    <message>
        <source>{value} ({low} to {high})</source>
        <translation>{value}（{low}〜{high}）</translation>
    </message>
    <message>
        <source>training</source>
        <translation>学習</translation>
    </message>
    <message>
        <source>validation</source>
        <translation>検証</translation>
    </message>
    <message>
        <source>test</source>
        <translation>テスト</translation>
    </message>
    <message>
        <source>all</source>
        <translation>全</translation>
    </message>
    <message>
        <source>(none)</source>
        <translation>（なし）</translation>
    </message>
    <message>
        <source>What is learnt</source>
        <translation>学習する内容</translation>
    </message>
    <message>
        <source>Network</source>
        <translation>ネットワーク</translation>
    </message>
    <message>
        <source>Options of the network</source>
        <translation>ネットワークのオプション</translation>
    </message>
    <message>
        <source>Data</source>
        <translation>データ</translation>
    </message>
    <message>
        <source>Keep the best when cancelled</source>
        <translation>中止時に最良を残す</translation>
    </message>
</context>
<context>
    <name>runs</name>
    <message>
        <source>Epoch {epoch}: the best so far, {measure}.</source>
        <translation>エポック {epoch}：これまでの最良、{measure}。</translation>
    </message>
    <message>
        <source>Begun, in process {pid}.</source>
        <translation>プロセス {pid} で開始しました。</translation>
    </message>
    <message>
        <source>Paused.</source>
        <translation>一時停止しました。</translation>
    </message>
    <message>
        <source>Gone on.</source>
        <translation>再開しました。</translation>
    </message>
    <message>
        <source>Done.</source>
        <translation>終わりました。</translation>
    </message>
    <message>
        <source>Cancelled.</source>
        <translation>取り消されました。</translation>
    </message>
    <message>
        <source>Waits, number {turn}</source>
        <translation>{turn} 番目に待機</translation>
    </message>
    <message>
        <source>Done, with a warning</source>
        <translation>完了(警告あり)</translation>
    </message>
    <message>
        <source>Waits</source>
        <translation>待機中</translation>
    </message>
    <message>
        <source>Training</source>
        <translation>学習中</translation>
    </message>
    <message>
        <source>Paused</source>
        <translation>一時停止中</translation>
    </message>
    <message>
        <source>Suspended from outside</source>
        <translation>外部から停止中</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>完了</translation>
    </message>
    <message>
        <source>Cancelled</source>
        <translation>取り消し</translation>
    </message>
    <message>
        <source>Failed</source>
        <translation>失敗</translation>
    </message>
    <message>
        <source>Broken off</source>
        <translation>中断</translation>
    </message>
    <message>
        <source>Loading the training library (PyTorch); this takes some seconds</source>
        <translation>学習ライブラリ（PyTorch）を読み込み中です。数秒かかります</translation>
    </message>
    <message>
        <source>Epoch {epoch} of {epochs}</source>
        <translation>エポック {epoch}/{epochs}</translation>
    </message>
    <message>
        <source>Reading the images</source>
        <translation>画像を読み込み中</translation>
    </message>
    <message>
        <source>Cross-validating</source>
        <translation>交差検証中</translation>
    </message>
    <message>
        <source>Learning from fewer images</source>
        <translation>画像を減らして学習中</translation>
    </message>
    <message>
        <source>Measuring on the test images</source>
        <translation>テスト画像で測定中</translation>
    </message>
    <message>
        <source>Writing the report</source>
        <translation>レポートを作成中</translation>
    </message>
    <message>
        <source>Writing the bundle</source>
        <translation>バンドルを書き込み中</translation>
    </message>
    <message>
        <source>Starting</source>
        <translation>開始中</translation>
    </message>
    <message>
        <source>{time} left</source>
        <translation>残り{time}</translation>
    </message>
    <message>
        <source>{width} × {height} px, {epochs} {epochs:|epoch|epochs}, batches of {batch}</source>
        <translation>{width} × {height} px、{epochs} エポック、バッチ {batch}</translation>
    </message>
    <message>
        <source>{value} on validation</source>
        <translation>{value}（検証）</translation>
    </message>
</context>
<context>
    <name>settings</name>
    <message>
        <source>&quot;simulated&quot;, &quot;folder:PATH&quot;, &quot;video:PATH&quot;, &quot;usb:0&quot;, &quot;rtsp://...&quot;</source>
        <translation>&quot;simulated&quot;、&quot;folder:パス&quot;、&quot;video:パス&quot;、&quot;usb:0&quot;、&quot;rtsp://...&quot;</translation>
    </message>
    <message>
        <source>%</source>
        <translation>%</translation>
    </message>
    <message>
        <source>0: as the camera likes</source>
        <translation>0:カメラに任せる</translation>
    </message>
    <message>
        <source>1/s</source>
        <translation>回/秒</translation>
    </message>
    <message>
        <source>16</source>
        <translation>16</translation>
    </message>
    <message>
        <source>1: grey input, 3: colour</source>
        <translation>1：グレースケール入力、3：カラー</translation>
    </message>
    <message>
        <source>32</source>
        <translation>32</translation>
    </message>
    <message>
        <source>8</source>
        <translation>8</translation>
    </message>
    <message>
        <source>Accumulate</source>
        <translation>勾配の累積</translation>
    </message>
    <message>
        <source>Air temperature</source>
        <translation>気温</translation>
    </message>
    <message>
        <source>Allowed false rejects</source>
        <translation>許容する過検出率</translation>
    </message>
    <message>
        <source>Area together (mm2)</source>
        <translation>合計面積(mm2)</translation>
    </message>
    <message>
        <source>Area together (px)</source>
        <translation>合計面積(px)</translation>
    </message>
    <message>
        <source>Augmentation</source>
        <translation>データ拡張</translation>
    </message>
    <message>
        <source>Backbone rate</source>
        <translation>バックボーンの学習率比</translation>
    </message>
    <message>
        <source>Backgrounds</source>
        <translation>背景画像</translation>
    </message>
    <message>
        <source>Batch</source>
        <translation>バッチ</translation>
    </message>
    <message>
        <source>Bits used</source>
        <translation>使用ビット数</translation>
    </message>
    <message>
        <source>Black</source>
        <translation>黒画像</translation>
    </message>
    <message>
        <source>Blurred</source>
        <translation>ぼけ</translation>
    </message>
    <message>
        <source>Bundle</source>
        <translation>バンドル</translation>
    </message>
    <message>
        <source>CPU threads; 0: as many as cores are free</source>
        <translation>CPU スレッド数。0: 空いているコアの数</translation>
    </message>
    <message>
        <source>Calibrate scores</source>
        <translation>スコアの校正</translation>
    </message>
    <message>
        <source>Camera</source>
        <translation>カメラ</translation>
    </message>
    <message>
        <source>Channels</source>
        <translation>チャンネル数</translation>
    </message>
    <message>
        <source>Class</source>
        <translation>クラス</translation>
    </message>
    <message>
        <source>Coldest place (°C)</source>
        <translation>最低温度(°C)</translation>
    </message>
    <message>
        <source>Deadline</source>
        <translation>期限</translation>
    </message>
    <message>
        <source>Depth</source>
        <translation>階調</translation>
    </message>
    <message>
        <source>Devices</source>
        <translation>デバイス数</translation>
    </message>
    <message>
        <source>Distance</source>
        <translation>距離</translation>
    </message>
    <message>
        <source>Emissivity</source>
        <translation>放射率</translation>
    </message>
    <message>
        <source>Engine</source>
        <translation>エンジン</translation>
    </message>
    <message>
        <source>Epochs</source>
        <translation>エポック数</translation>
    </message>
    <message>
        <source>Equal pictures</source>
        <translation>同一画像</translation>
    </message>
    <message>
        <source>Existing</source>
        <translation>既存ファイル</translation>
    </message>
    <message>
        <source>Fit</source>
        <translation>入力への合わせ方</translation>
    </message>
    <message>
        <source>Folds</source>
        <translation>分割数（交差検証）</translation>
    </message>
    <message>
        <source>Frame rate</source>
        <translation>フレームレート</translation>
    </message>
    <message>
        <source>Frame size</source>
        <translation>フレームの大きさ</translation>
    </message>
    <message>
        <source>Frozen</source>
        <translation>静止</translation>
    </message>
    <message>
        <source>Frozen epochs</source>
        <translation>凍結エポック数</translation>
    </message>
    <message>
        <source>Frozen stages</source>
        <translation>凍結する段数</translation>
    </message>
    <message>
        <source>Good classes</source>
        <translation>良品クラス</translation>
    </message>
    <message>
        <source>Good parts</source>
        <translation>良品の割合</translation>
    </message>
    <message>
        <source>Height</source>
        <translation>高さ</translation>
    </message>
    <message>
        <source>Hot spots</source>
        <translation>高温部</translation>
    </message>
    <message>
        <source>Hottest place (°C)</source>
        <translation>最高温度(°C)</translation>
    </message>
    <message>
        <source>Humidity</source>
        <translation>湿度</translation>
    </message>
    <message>
        <source>Input height</source>
        <translation>入力の高さ</translation>
    </message>
    <message>
        <source>Input width</source>
        <translation>入力の幅</translation>
    </message>
    <message>
        <source>Label smoothing</source>
        <translation>ラベル平滑化</translation>
    </message>
    <message>
        <source>Largest area (mm2)</source>
        <translation>最大の領域(mm2)</translation>
    </message>
    <message>
        <source>Largest area (px)</source>
        <translation>最大の領域(px)</translation>
    </message>
    <message>
        <source>Largest batch</source>
        <translation>最大バッチ</translation>
    </message>
    <message>
        <source>Layer decay</source>
        <translation>層ごとの減衰</translation>
    </message>
    <message>
        <source>Learning curve</source>
        <translation>学習曲線</translation>
    </message>
    <message>
        <source>Learning rate</source>
        <translation>学習率</translation>
    </message>
    <message>
        <source>Left</source>
        <translation>左</translation>
    </message>
    <message>
        <source>Levels</source>
        <translation>レベル</translation>
    </message>
    <message>
        <source>Limit</source>
        <translation>限度</translation>
    </message>
    <message>
        <source>Loop</source>
        <translation>繰り返し</translation>
    </message>
    <message>
        <source>Loss</source>
        <translation>損失</translation>
    </message>
    <message>
        <source>MJPEG and snapshots: judge a picture that is equal to one before, as of a simulated camera</source>
        <translation>MJPEGとスナップショット:以前と同じ画像も判定する(模擬カメラなど)</translation>
    </message>
    <message>
        <source>Masks</source>
        <translation>マスク</translation>
    </message>
    <message>
        <source>Mean temperature (°C)</source>
        <translation>平均温度(°C)</translation>
    </message>
    <message>
        <source>Mirrored views</source>
        <translation>鏡像の平均</translation>
    </message>
    <message>
        <source>Mode</source>
        <translation>モード</translation>
    </message>
    <message>
        <source>Most likely class</source>
        <translation>最も可能性の高いクラス</translation>
    </message>
    <message>
        <source>NG if</source>
        <translation>NGの条件</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>名前</translation>
    </message>
    <message>
        <source>Number of hot spots</source>
        <translation>高温部の数</translation>
    </message>
    <message>
        <source>Number of objects</source>
        <translation>物体の数</translation>
    </message>
    <message>
        <source>ONNX Runtime</source>
        <translation>ONNX Runtime</translation>
    </message>
    <message>
        <source>Offset</source>
        <translation>オフセット</translation>
    </message>
    <message>
        <source>One class</source>
        <translation>クラス統合</translation>
    </message>
    <message>
        <source>OpenVINO</source>
        <translation>OpenVINO</translation>
    </message>
    <message>
        <source>Optimizer</source>
        <translation>最適化手法</translation>
    </message>
    <message>
        <source>Over-exposed</source>
        <translation>露出過多</translation>
    </message>
    <message>
        <source>Part or lot</source>
        <translation>部品・ロット</translation>
    </message>
    <message>
        <source>Parts</source>
        <translation>部品数</translation>
    </message>
    <message>
        <source>Patience</source>
        <translation>待ち時間</translation>
    </message>
    <message>
        <source>Pattern</source>
        <translation>パターン</translation>
    </message>
    <message>
        <source>Pixel format</source>
        <translation>画素形式</translation>
    </message>
    <message>
        <source>Pixel size</source>
        <translation>画素の大きさ</translation>
    </message>
    <message>
        <source>Precision</source>
        <translation>精度</translation>
    </message>
    <message>
        <source>PyTorch</source>
        <translation>PyTorch</translation>
    </message>
    <message>
        <source>Quantity</source>
        <translation>比較する量</translation>
    </message>
    <message>
        <source>Rare classes</source>
        <translation>少ないクラス</translation>
    </message>
    <message>
        <source>Rate</source>
        <translation>速度</translation>
    </message>
    <message>
        <source>Recursive</source>
        <translation>サブフォルダも</translation>
    </message>
    <message>
        <source>Reflected temperature</source>
        <translation>反射温度</translation>
    </message>
    <message>
        <source>after which the training ends, within an epoch if need be; 0: none</source>
        <translation>この時間で学習を終了します（エポックの途中でも）。0: なし</translation>
    </message>
    <message>
        <source>answers are the mean over four mirrored views of a frame; inspecting takes 4 times as long</source>
        <translation>答えはフレームの4通りの鏡像の平均です。検査時間は4倍になります</translation>
    </message>
    <message>
        <source>from the camera to the part, in FLIR&apos;s files; as stored if left out</source>
        <translation>カメラから部品まで(FLIR のファイル)。省略時は保存された値</translation>
    </message>
    <message>
        <source>of the air, in FLIR&apos;s files; as stored if left out</source>
        <translation>空気の湿度(FLIR のファイル)。省略時は保存された値</translation>
    </message>
    <message>
        <source>of the part, in FLIR&apos;s files; as stored if left out</source>
        <translation>部品の放射率(FLIR のファイル)。省略時は保存された値</translation>
    </message>
    <message>
        <source>Revision</source>
        <translation>改訂</translation>
    </message>
    <message>
        <source>Compare with good parts</source>
        <translation>良品と比較</translation>
    </message>
    <message>
        <source>Covered</source>
        <translation>覆う範囲</translation>
    </message>
    <message>
        <source>Less the place</source>
        <translation>引く場所</translation>
    </message>
    <message>
        <source>Name of the place</source>
        <translation>場所の名前</translation>
    </message>
    <message>
        <source>Only at the place</source>
        <translation>この場所だけ</translation>
    </message>
    <message>
        <source>Overlap</source>
        <translation>重なり</translation>
    </message>
    <message>
        <source>Piece</source>
        <translation>部分画像</translation>
    </message>
    <message>
        <source>Remember</source>
        <translation>記憶</translation>
    </message>
    <message>
        <source>Rise a minute over</source>
        <translation>1 分あたりの上昇、対象時間</translation>
    </message>
    <message>
        <source>Scale</source>
        <translation>倍率</translation>
    </message>
    <message>
        <source>Schedule</source>
        <translation>学習率の推移</translation>
    </message>
    <message>
        <source>Score</source>
        <translation>スコア</translation>
    </message>
    <message>
        <source>Seed</source>
        <translation>シード</translation>
    </message>
    <message>
        <source>Settle</source>
        <translation>静定時間</translation>
    </message>
    <message>
        <source>Source</source>
        <translation>ソース</translation>
    </message>
    <message>
        <source>Stale</source>
        <translation>古い画像</translation>
    </message>
    <message>
        <source>Start weights</source>
        <translation>初期の重み</translation>
    </message>
    <message>
        <source>Takt</source>
        <translation>タクト</translation>
    </message>
    <message>
        <source>TensorRT</source>
        <translation>TensorRT</translation>
    </message>
    <message>
        <source>Test share</source>
        <translation>テストの割合</translation>
    </message>
    <message>
        <source>Threads</source>
        <translation>スレッド数</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>しきい値</translation>
    </message>
    <message>
        <source>Tile</source>
        <translation>タイル</translation>
    </message>
    <message>
        <source>Time limit</source>
        <translation>制限時間</translation>
    </message>
    <message>
        <source>Time to connect</source>
        <translation>接続の制限時間</translation>
    </message>
    <message>
        <source>Timeout</source>
        <translation>タイムアウト</translation>
    </message>
    <message>
        <source>Top</source>
        <translation>上</translation>
    </message>
    <message>
        <source>TorchScript</source>
        <translation>TorchScript</translation>
    </message>
    <message>
        <source>Unit</source>
        <translation>単位</translation>
    </message>
    <message>
        <source>Validation share</source>
        <translation>検証の割合</translation>
    </message>
    <message>
        <source>Wait for a batch</source>
        <translation>バッチの待ち時間</translation>
    </message>
    <message>
        <source>Wait for frames</source>
        <translation>フレームの待ち時間</translation>
    </message>
    <message>
        <source>Wait for other cameras</source>
        <translation>他カメラの待ち時間</translation>
    </message>
    <message>
        <source>Warm-up</source>
        <translation>ウォームアップ</translation>
    </message>
    <message>
        <source>Warning limit</source>
        <translation>警告の限度</translation>
    </message>
    <message>
        <source>Watch</source>
        <translation>監視</translation>
    </message>
    <message>
        <source>Weight averaging</source>
        <translation>重みの移動平均</translation>
    </message>
    <message>
        <source>Weight decay</source>
        <translation>重み減衰</translation>
    </message>
    <message>
        <source>Width</source>
        <translation>幅</translation>
    </message>
    <message>
        <source>Without a value</source>
        <translation>値のない画素</translation>
    </message>
    <message>
        <source>a batch never waits longer than this for more frames</source>
        <translation>バッチが次のフレームを待つ時間の上限</translation>
    </message>
    <message>
        <source>a part without a verdict by then is NOT_INSPECTED; if left out: in triggered mode trigger_ms and three takts (2000 ms at least), in free mode none</source>
        <translation>この時間までに判定のない部品は未検査になる。空の場合、トリガーモードではtrigger_msとタクト3回分(最短2000 ms)、フリーモードでは期限なし</translation>
    </message>
    <message>
        <source>above</source>
        <translation>上回る</translation>
    </message>
    <message>
        <source>adam</source>
        <translation>adam</translation>
    </message>
    <message>
        <source>adamw</source>
        <translation>adamw</translation>
    </message>
    <message>
        <source>age at inspection above which a frame is stale</source>
        <translation>検査時にこれより古いフレームは古い画像とみなす</translation>
    </message>
    <message>
        <source>also train on smaller parts of the data, to tell what more images would bring</source>
        <translation>データの一部でも学習し、画像を増やした場合の効果を見積もります</translation>
    </message>
    <message>
        <source>another seed renders other parts</source>
        <translation>シードを変えると別の部品が描かれる</translation>
    </message>
    <message>
        <source>auto</source>
        <translation>自動</translation>
    </message>
    <message>
        <source>batches</source>
        <translation>バッチ</translation>
    </message>
    <message>
        <source>batches whose gradients make one step</source>
        <translation>1 回の更新にまとめる勾配のバッチ数</translation>
    </message>
    <message>
        <source>begin again after the last file</source>
        <translation>最後のファイルの後、最初に戻る</translation>
    </message>
    <message>
        <source>begin again after the last frame</source>
        <translation>最後のフレームの後、最初に戻る</translation>
    </message>
    <message>
        <source>below</source>
        <translation>下回る</translation>
    </message>
    <message>
        <source>between camera and part, in FLIR&apos;s files; as stored if left out</source>
        <translation>カメラと部品の間の気温(FLIR のファイル)。省略時は保存された値</translation>
    </message>
    <message>
        <source>beyond it, but not beyond the limit: REVIEW</source>
        <translation>これを超えて限度は超えない場合:要確認</translation>
    </message>
    <message>
        <source>beyond it: NG</source>
        <translation>これを超えた場合:NG</translation>
    </message>
    <message>
        <source>bf16</source>
        <translation>bf16</translation>
    </message>
    <message>
        <source>celsius</source>
        <translation>摂氏</translation>
    </message>
    <message>
        <source>classes of a good part; the bundle&apos;s own if left out</source>
        <translation>良品のクラス。空の場合はバンドルのもの</translation>
    </message>
    <message>
        <source>classes of good parts</source>
        <translation>良品のクラス</translation>
    </message>
    <message>
        <source>classification</source>
        <translation>分類</translation>
    </message>
    <message>
        <source>classification: temperature scaling, so that a score is a probability</source>
        <translation>分類：温度スケーリングにより、スコアを確率として読めるようにします</translation>
    </message>
    <message>
        <source>classification: weights, rare classes count more; sampler, they are shown more often</source>
        <translation>分類：「重み付け」は少ないクラスを重く数え、「多く見せる」は少ないクラスの画像を多く学習に使います</translation>
    </message>
    <message>
        <source>constant</source>
        <translation>一定</translation>
    </message>
    <message>
        <source>cosine</source>
        <translation>コサイン</translation>
    </message>
    <message>
        <source>decay of the moving average of the weights that is validated and kept; 0: none</source>
        <translation>検証・保存する重みの移動平均の減衰率。0：使わない</translation>
    </message>
    <message>
        <source>decision threshold of the bundle; 0: chosen on validation</source>
        <translation>バンドルの判定しきい値。0：検証データで選びます</translation>
    </message>
    <message>
        <source>detection, segmentation: a step learns from squares of this side of the input, most of them around an object, which is faster; 0: from all of it</source>
        <translation>検出、セグメンテーション：入力からこの辺長の正方形(多くは対象物の周囲)を切り出して学習し、速くなります。0：入力全体</translation>
    </message>
    <message>
        <source>detection, segmentation: every class counts as this one</source>
        <translation>検出・セグメンテーション：すべてのクラスをこの 1 クラスとして扱います</translation>
    </message>
    <message>
        <source>detection, segmentation: large images are learnt and inspected in squares of this side; 0: as a whole</source>
        <translation>検出・セグメンテーション: 大きな画像をこの辺の正方形に分けて学習・検査します。0: 全体のまま</translation>
    </message>
    <message>
        <source>engine of this bundle only</source>
        <translation>このバンドルだけのエンジン</translation>
    </message>
    <message>
        <source>epochs</source>
        <translation>エポック</translation>
    </message>
    <message>
        <source>epochs until the full learning rate</source>
        <translation>学習率が最大になるまでのエポック数</translation>
    </message>
    <message>
        <source>epochs without a better validation result after which training stops; 0: none</source>
        <translation>検証結果がこのエポック数だけ良くならなければ学習を終えます。0：終えない</translation>
    </message>
    <message>
        <source>fahrenheit</source>
        <translation>華氏</translation>
    </message>
    <message>
        <source>files a second; 0: as fast as they are taken</source>
        <translation>毎秒のファイル数。0:処理できる速さで</translation>
    </message>
    <message>
        <source>folder of the bundle, relative to the recipe or a shipped bundle&apos;s name</source>
        <translation>バンドルのフォルダ。レシピからの相対パス、または付属バンドルの名前</translation>
    </message>
    <message>
        <source>four letters, for example MJPG; empty: as the camera likes</source>
        <translation>4文字。例:MJPG。空:カメラに任せる</translation>
    </message>
    <message>
        <source>fp16</source>
        <translation>fp16</translation>
    </message>
    <message>
        <source>fp32</source>
        <translation>fp32</translation>
    </message>
    <message>
        <source>fps</source>
        <translation>fps</translation>
    </message>
    <message>
        <source>frame values (thermal: kelvin) mapped to 0 and 255; beyond 8 bits they are found in the images</source>
        <translation>0 と 255 に対応させるフレームの値(サーマル: ケルビン)。8 ビットを超える画像では画像から求めます</translation>
    </message>
    <message>
        <source>frames a second; 0: as fast as they are taken</source>
        <translation>毎秒のフレーム数。0:処理できる速さで</translation>
    </message>
    <message>
        <source>frames are fitted into the input; a larger one shows smaller defects and takes longer</source>
        <translation>画像はこの入力に合わせられます。大きいほど小さな欠陥が見えますが、時間がかかります</translation>
    </message>
    <message>
        <source>frames that an engine is given at once at most</source>
        <translation>エンジンに一度に渡すフレーム数の上限</translation>
    </message>
    <message>
        <source>free</source>
        <translation>フリー</translation>
    </message>
    <message>
        <source>free: every frame; triggered: one part a trigger</source>
        <translation>フリー:すべてのフレーム、トリガー:トリガーごとに部品1個</translation>
    </message>
    <message>
        <source>how far a step changes the weights: too large never settles, too small takes very long</source>
        <translation>1 回の更新で重みを変える量：大きすぎると収束せず、小さすぎると非常に時間がかかります</translation>
    </message>
    <message>
        <source>how frames of another shape are fitted into the input</source>
        <translation>縦横比の異なる画像を入力に合わせる方法</translation>
    </message>
    <message>
        <source>how long a part waits for its other cameras</source>
        <translation>部品が他のカメラを待つ時間</translation>
    </message>
    <message>
        <source>how long a trigger waits for the frame of each camera</source>
        <translation>トリガーが各カメラのフレームを待つ時間</translation>
    </message>
    <message>
        <source>how many of 16 bits are used, for example 12; as the source says</source>
        <translation>16ビットのうち使われるビット数。例:12。空:ソースに従う</translation>
    </message>
    <message>
        <source>how many parts; 0: without end</source>
        <translation>部品の数。0:無限</translation>
    </message>
    <message>
        <source>how rules call what this bundle inspects here</source>
        <translation>このバンドルがここで検査する場所を、ルールで呼ぶときの名前</translation>
    </message>
    <message>
        <source>how steps are made of gradients; sgd needs a larger learning rate</source>
        <translation>勾配から更新量を決める方法。sgd は学習率を大きくする必要があります</translation>
    </message>
    <message>
        <source>how training images are varied; surface: any direction; part: it lies always alike; window: light only; strong: few images</source>
        <translation>学習画像の変化のさせ方。表面：あらゆる向き、部品：常に同じ向き、固定視野：明るさだけ、強め：画像が少ない場合</translation>
    </message>
    <message>
        <source>identical frames in a row of a live camera that mean frozen; 0: off</source>
        <translation>ライブカメラで同一フレームがこの数だけ続いたら静止とみなす。0:無効</translation>
    </message>
    <message>
        <source>images</source>
        <translation>枚</translation>
    </message>
    <message>
        <source>images a step</source>
        <translation>1 回の更新に使う画像数</translation>
    </message>
    <message>
        <source>images without a label file count as good, where labels are objects</source>
        <translation>ラベルが物体の場合、ラベルファイルのない画像を良品として扱う</translation>
    </message>
    <message>
        <source>inspect label masks, too: a .png of few values beside a photograph of the same name</source>
        <translation>ラベルマスク(同名の写真の隣にある、値の少ない.png)も検査する</translation>
    </message>
    <message>
        <source>inspect new files as they arrive, without end</source>
        <translation>新しいファイルを届くたびに検査し続ける</translation>
    </message>
    <message>
        <source>int8</source>
        <translation>int8</translation>
    </message>
    <message>
        <source>intensity</source>
        <translation>輝度</translation>
    </message>
    <message>
        <source>k-fold cross-validation before the final training, for small sets; 0: none</source>
        <translation>最終学習の前に行う k 分割交差検証。画像が少ない場合に使います。0：行わない</translation>
    </message>
    <message>
        <source>kelvin</source>
        <translation>ケルビン</translation>
    </message>
    <message>
        <source>left,top,width,height of an area of the input that training images show covered, so that nothing is learnt from it; several are joined by +; not for temperatures</source>
        <translation>学習画像で覆い、そこからは何も学習させない範囲（入力に対する 左,上,幅,高さ）。複数の範囲は + でつなぐ。温度には使えない</translation>
    </message>
    <message>
        <source>letterbox</source>
        <translation>余白を付けて収める</translation>
    </message>
    <message>
        <source>likewise</source>
        <translation>同上</translation>
    </message>
    <message>
        <source>limits hold for the difference to the mean of so many good parts before; for the value itself if left out</source>
        <translation>限界値は、直前のこの個数の良品の平均との差に適用します。省略時は値そのものに適用します</translation>
    </message>
    <message>
        <source>limits hold for the difference to the same quantity at the place of this name, on the same part</source>
        <translation>限度は、同じ部品のこの名前の場所における同じ量との差に適用されます</translation>
    </message>
    <message>
        <source>limits hold for the rise a minute, measured over the parts of so many seconds</source>
        <translation>限度は、この秒数の間の部品から求めた 1 分あたりの上昇に適用されます</translation>
    </message>
    <message>
        <source>look into the folders in it, too</source>
        <translation>中のフォルダも調べる</translation>
    </message>
    <message>
        <source>m</source>
        <translation>m</translation>
    </message>
    <message>
        <source>mean grey (of 255) below which a frame counts as black; 0: off</source>
        <translation>平均輝度(255段階)がこれより低いフレームは黒画像とみなす。0:無効</translation>
    </message>
    <message>
        <source>mm</source>
        <translation>mm</translation>
    </message>
    <message>
        <source>ms</source>
        <translation>ms</translation>
    </message>
    <message>
        <source>none</source>
        <translation>なし</translation>
    </message>
    <message>
        <source>of neighbouring tiles; defects up to this size are whole in one of them</source>
        <translation>隣り合うタイルの重なり。この大きさまでの欠陥はどれか 1 枚に全体が入ります</translation>
    </message>
    <message>
        <source>of split, start weights, order and augmentation</source>
        <translation>データ分割・初期の重み・順序・データ拡張の乱数</translation>
    </message>
    <message>
        <source>of the arithmetic; bf16 and 16 are mixed precision</source>
        <translation>計算の精度。bf16 と 16 は混合精度</translation>
    </message>
    <message>
        <source>of the arithmetic; others than fp32 must have been exported before</source>
        <translation>演算の精度。fp32以外は事前の書き出しが必要</translation>
    </message>
    <message>
        <source>of the frames; 0: as the camera likes</source>
        <translation>フレームの寸法。0:カメラに任せる</translation>
    </message>
    <message>
        <source>of the input; auto: as the images have it, 8: their levels are rounded to 256</source>
        <translation>入力の階調。自動: 画像のまま、8: 256 階調に丸めます</translation>
    </message>
    <message>
        <source>of the learning rate; step: a tenth every 7 epochs</source>
        <translation>学習率の変化のさせ方。段階的：7 エポックごとに 10 分の 1</translation>
    </message>
    <message>
        <source>of the task; its own if empty</source>
        <translation>タスクの損失関数。空欄なら既定のもの</translation>
    </message>
    <message>
        <source>only files of this name, for example &quot;*.jpg&quot;</source>
        <translation>この名前のファイルだけ。例:&quot;*.jpg&quot;</translation>
    </message>
    <message>
        <source>only this class; every class that is not an ok class if left out</source>
        <translation>このクラスだけ。空の場合は良品クラス以外のすべて</translation>
    </message>
    <message>
        <source>only what the bundle inspects at the place of this name</source>
        <translation>バンドルがこの名前の場所で検査するものだけ</translation>
    </message>
    <message>
        <source>part</source>
        <translation>部品</translation>
    </message>
    <message>
        <source>parts</source>
        <translation>個</translation>
    </message>
    <message>
        <source>parts a second; 0: as fast as they are taken</source>
        <translation>毎秒の部品数。0:処理できる速さで</translation>
    </message>
    <message>
        <source>passes over the images</source>
        <translation>全画像を学習する回数</translation>
    </message>
    <message>
        <source>pixels, for example 1280x720; empty: as the first frame</source>
        <translation>画素数。例:1280x720。空:最初のフレームに従う</translation>
    </message>
    <message>
        <source>precision of this bundle only</source>
        <translation>このバンドルだけの精度</translation>
    </message>
    <message>
        <source>pretrained networks: factor of the learning rate from one stage to the one before it</source>
        <translation>学習済みネットワーク：1 つ手前の段の学習率に掛ける係数</translation>
    </message>
    <message>
        <source>pretrained networks: only the new layers learn for so long</source>
        <translation>学習済みネットワーク：この間は新しい層だけを学習します</translation>
    </message>
    <message>
        <source>pretrained networks: the backbone&apos;s learning rate over that of the new layers</source>
        <translation>学習済みネットワーク：新しい層に対するバックボーンの学習率の比</translation>
    </message>
    <message>
        <source>processes or GPUs that train together, each with a batch of its own</source>
        <translation>一緒に学習するプロセスまたは GPU の数。それぞれが自分のバッチを使います</translation>
    </message>
    <message>
        <source>pull of the weights towards 0</source>
        <translation>重みを 0 に近づける強さ</translation>
    </message>
    <message>
        <source>px</source>
        <translation>px</translation>
    </message>
    <message>
        <source>regular expression; its match in a file&apos;s name is the part or lot it shows</source>
        <translation>正規表現。ファイル名で一致した部分を、写っている部品またはロットとみなします</translation>
    </message>
    <message>
        <source>s</source>
        <translation>秒</translation>
    </message>
    <message>
        <source>sampler</source>
        <translation>多く見せる</translation>
    </message>
    <message>
        <source>score or mask threshold; the bundle&apos;s own if left out</source>
        <translation>スコアまたはマスクのしきい値。空の場合はバンドルのもの</translation>
    </message>
    <message>
        <source>seconds a connection may take</source>
        <translation>接続にかけてよい秒数</translation>
    </message>
    <message>
        <source>seconds without a frame after which the camera counts as lost</source>
        <translation>フレームが来ないままこの秒数が過ぎると、カメラを切断とみなす</translation>
    </message>
    <message>
        <source>sgd</source>
        <translation>sgd</translation>
    </message>
    <message>
        <source>share of good parts</source>
        <translation>良品の割合</translation>
    </message>
    <message>
        <source>share of good parts that may be rejected; the threshold is chosen for it; 0: not asked</source>
        <translation>不良と判定してよい良品の割合。これに合わせてしきい値を選びます。0：指定しない</translation>
    </message>
    <message>
        <source>share of saturated pixels above which it is over-exposed; 1: off</source>
        <translation>飽和画素の割合がこれを超えると露出過多とみなす。1:無効</translation>
    </message>
    <message>
        <source>share of the groups that are only measured at the end</source>
        <translation>最後の評価だけに使うグループの割合</translation>
    </message>
    <message>
        <source>share of the groups that choose the best epoch</source>
        <translation>最良のエポックを選ぶために使うグループの割合</translation>
    </message>
    <message>
        <source>share of thermal pixels without a value that is too much; 1: off</source>
        <translation>熱画像で値のない画素の割合がこれを超えると多すぎるとみなす。1:無効</translation>
    </message>
    <message>
        <source>size of one pixel at the part, in mm</source>
        <translation>部品上での1画素の大きさ(mm)</translation>
    </message>
    <message>
        <source>snapshots a second at most; 0: as fast as the camera gives them</source>
        <translation>毎秒のスナップショット数の上限。0:カメラの速さで</translation>
    </message>
    <message>
        <source>stages</source>
        <translation>段</translation>
    </message>
    <message>
        <source>standard</source>
        <translation>標準</translation>
    </message>
    <message>
        <source>step</source>
        <translation>段階的</translation>
    </message>
    <message>
        <source>stretch</source>
        <translation>引き伸ばす</translation>
    </message>
    <message>
        <source>strong</source>
        <translation>強め</translation>
    </message>
    <message>
        <source>surface</source>
        <translation>表面</translation>
    </message>
    <message>
        <source>temperature = value * scale + offset</source>
        <translation>温度 = 値 × 倍率 + オフセット</translation>
    </message>
    <message>
        <source>the side of the limit that is bad</source>
        <translation>限度のどちら側が不良か</translation>
    </message>
    <message>
        <source>the time the line gives each part; measured if left out</source>
        <translation>ラインが部品1個に与える時間。空の場合は測定する</translation>
    </message>
    <message>
        <source>the values are temperatures in this unit, or (intensity) are not; as the file says if left out</source>
        <translation>値はこの単位の温度。輝度の場合は温度ではない。空の場合はファイルに従う</translation>
    </message>
    <message>
        <source>thermal: hot spots are areas above this</source>
        <translation>熱画像:これより高温の領域が高温部</translation>
    </message>
    <message>
        <source>triggered</source>
        <translation>トリガー</translation>
    </message>
    <message>
        <source>variance of the Laplacian below which it counts as blurred; 0: off</source>
        <translation>ラプラシアンの分散がこれより低いとぼけとみなす。0:無効</translation>
    </message>
    <message>
        <source>watch: inspect the files that are there already, too</source>
        <translation>監視:すでにあるファイルも検査する</translation>
    </message>
    <message>
        <source>watch: remember over restarts which files were inspected</source>
        <translation>監視:検査済みのファイルを再起動後も記憶する</translation>
    </message>
    <message>
        <source>watch: seconds a file must stay unchanged before it is read</source>
        <translation>監視:読む前にファイルが変化してはならない秒数</translation>
    </message>
    <message>
        <source>watch: seconds a file that cannot be read yet is tried again</source>
        <translation>監視:まだ読めないファイルを再試行する秒数</translation>
    </message>
    <message>
        <source>weights</source>
        <translation>重み付け</translation>
    </message>
    <message>
        <source>weights to start from: &quot;&quot;, &quot;imagenet&quot; or a file</source>
        <translation>学習を始める重み：空欄、imagenet、またはファイル</translation>
    </message>
    <message>
        <source>what computes the predictions</source>
        <translation>推論を計算するもの</translation>
    </message>
    <message>
        <source>what is compared with the limit</source>
        <translation>限度と比較する量</translation>
    </message>
    <message>
        <source>what the part reflects, in FLIR&apos;s files; as stored if left out</source>
        <translation>部品が反射する温度(FLIR のファイル)。省略時は保存された値</translation>
    </message>
    <message>
        <source>whose predictions are compared, as in [[inspect]]</source>
        <translation>その推論を比較するバンドル([[inspect]]に書いたもの)</translation>
    </message>
    <message>
        <source>window</source>
        <translation>固定視野</translation>
    </message>
    <message>
        <source>with start weights: stages, counted from the input, that never learn; training is faster</source>
        <translation>初期重みがある場合： 入力側から数えて学習しない段の数。学習が速くなります</translation>
    </message>
    <message>
        <source>°C</source>
        <translation>°C</translation>
    </message>
</context>
<context>
    <name>tabs</name>
    <message>
        <source>Classification</source>
        <translation>分類</translation>
    </message>
    <message>
        <source>Detection</source>
        <translation>検出</translation>
    </message>
    <message>
        <source>Grad-CAM</source>
        <translation>Grad-CAM</translation>
    </message>
    <message>
        <source>Picture</source>
        <translation>画像</translation>
    </message>
    <message>
        <source>Segmentation</source>
        <translation>領域分割</translation>
    </message>
    <message>
        <source>Thermal</source>
        <translation>サーマル</translation>
    </message>
</context>
<context>
    <name>tasks</name>
    <message>
        <source>Classification</source>
        <translation>分類</translation>
    </message>
    <message>
        <source>Detection</source>
        <translation>検出</translation>
    </message>
    <message>
        <source>Segmentation</source>
        <translation>領域分割</translation>
    </message>
    <message>
        <source>Temperatures</source>
        <translation>温度</translation>
    </message>
    <message>
        <source>The hottest, mean and coldest temperature</source>
        <translation>最高・平均・最低温度</translation>
    </message>
    <message>
        <source>Where objects are, as boxes, and of which class</source>
        <translation>物体の位置(枠)とクラス</translation>
    </message>
    <message>
        <source>Which class a whole image is of</source>
        <translation>画像全体がどのクラスか</translation>
    </message>
    <message>
        <source>Which pixels are a defect, and of which class</source>
        <translation>どの画素が欠陥か、とそのクラス</translation>
    </message>
</context>
<context>
    <name>training</name>
    <message>
        <source>less than a minute</source>
        <translation>1 分未満</translation>
    </message>
    <message>
        <source>about {minutes} min</source>
        <translation>約 {minutes} 分</translation>
    </message>
    <message>
        <source>about {hours} h</source>
        <translation>約 {hours} 時間</translation>
    </message>
    <message>
        <source>8-bit grey</source>
        <translation>8 ビット グレー</translation>
    </message>
    <message>
        <source>8-bit colour</source>
        <translation>8 ビット カラー</translation>
    </message>
    <message>
        <source>16-bit grey</source>
        <translation>16 ビット グレー</translation>
    </message>
    <message>
        <source>16-bit colour</source>
        <translation>16 ビット カラー</translation>
    </message>
    <message>
        <source>float grey</source>
        <translation>浮動小数点 グレー</translation>
    </message>
    <message>
        <source>float colour</source>
        <translation>浮動小数点 カラー</translation>
    </message>
</context>
<context>
    <name>variants</name>
    <message>
        <source>its own graph</source>
        <translation>元のグラフ</translation>
    </message>
    <message>
        <source>passed</source>
        <translation>合格</translation>
    </message>
    <message>
        <source>could not be made</source>
        <translation>作成不可</translation>
    </message>
    <message>
        <source>refused</source>
        <translation>不合格</translation>
    </message>
    <message>
        <source>of other files</source>
        <translation>別のファイル用</translation>
    </message>
    <message>
        <source>damaged</source>
        <translation>破損</translation>
    </message>
    <message>
        <source>of a newer version</source>
        <translation>新しいバージョンのもの</translation>
    </message>
    <message>
        <source>{state}, judges now</source>
        <translation>{state}、判定に使用中</translation>
    </message>
    <message>
        <source>The bundle&apos;s own graph: it was compared with the trained network when the bundle was written.</source>
        <translation>バンドルの元のグラフです。バンドルの作成時に学習済みネットワークと比較済みです。</translation>
    </message>
    <message>
        <source>It could not be made: {reason}</source>
        <translation>作れませんでした：{reason}</translation>
    </message>
    <message>
        <source>It is refused: {reason}</source>
        <translation>使用できません：{reason}</translation>
    </message>
    <message>
        <source>Other verdicts than the trained network&apos;s: {flips} of {images} reference images (limit {limit}).</source>
        <translation>学習済みネットワークと異なる判定：参照画像 {images} 枚のうち {flips} 枚（上限 {limit} 枚）。</translation>
    </message>
    <message>
        <source>Scores differ by {mean} on average (limit {limit}), by {most} at most.</source>
        <translation>スコアの差：平均 {mean}（上限 {limit}）、最大 {most}。</translation>
    </message>
    <message>
        <source>Temperatures differ by {mean} K on average (limit {limit} K), by {most} K at most.</source>
        <translation>温度の差：平均 {mean} K（上限 {limit} K）、最大 {most} K。</translation>
    </message>
    <message>
        <source>{metric}: {before} of the trained network, {after} of the variant (largest accepted drop {limit}).</source>
        <translation>{metric}：学習済みネットワーク {before}、バリアント {after}（許す低下 {limit}）。</translation>
    </message>
    <message>
        <source>Calibrated with {count} {count:|image|images}.</source>
        <translation>{count} 枚の画像で校正。</translation>
    </message>
    <message>
        <source>Layers that stayed in floating point: {count}.</source>
        <translation>浮動小数点のまま残した層：{count}。</translation>
    </message>
    <message>
        <source>Made on {when} with {versions}; judged on {processor}.</source>
        <translation>{when} に {versions} で作成。{processor} で確認。</translation>
    </message>
    <message>
        <source>Tried on {when} with {versions}, on {processor}.</source>
        <translation>{when} に {versions}、{processor} で試行。</translation>
    </message>
</context>
<context>
    <name>verdicts</name>
    <message>
        <source>OK</source>
        <translation>OK</translation>
    </message>
    <message>
        <source>NG</source>
        <translation>NG</translation>
    </message>
    <message>
        <source>REVIEW</source>
        <translation>要確認</translation>
    </message>
    <message>
        <source>NOT INSPECTED</source>
        <translation>未検査</translation>
    </message>
</context>
</TS>
